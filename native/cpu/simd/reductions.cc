// Sums over columns and rows.
#include "cpu/simd/functions.h"
#include "cpu/simd/vec.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

void row_dot(size_t rows, size_t width, const float* a, size_t as, const float* b, size_t bs, float* y, size_t ys) {
  for (size_t r = 0; r < rows; ++r, a += as, b += bs, y += ys) {
    vf sum = {};
    size_t c = 0;
    for (; c + kLanes <= width; c += kLanes) sum += load(a + c) * load(b + c);
    if (c < width) sum += load_tail(a + c, width - c) * load_tail(b + c, width - c);
    *y = hsum(sum);
  }
}

void row_sum(size_t rows, size_t width, const float* x, size_t xs, float* y, size_t ys) {
  for (size_t r = 0; r < rows; ++r, x += xs, y += ys) {
    vf sum = {};
    size_t c = 0;
    for (; c + kLanes <= width; c += kLanes) sum += load(x + c);
    if (c < width) sum += load_tail(x + c, width - c);
    *y = hsum(sum);
  }
}

template <int N>
PRERANK_INLINE void column_sum_block(size_t column, size_t last, size_t rows, const float* x, size_t xs, float* y) {
  vf sum[N];
  load_block<N>(sum, y + column, last);
  for (size_t r = 0; r < rows; ++r) add_scaled_block<N>(sum, 1.0f, x + r * xs + column, last);
  store_block<N>(y + column, last, sum);
}

void column_sum(size_t rows, size_t width, const float* x, size_t xs, float* y) {
  if (width == 1 && xs == 1) {  // one column: sum it as a row
    float sum;
    row_sum(1, rows, x, 0, &sum, 0);
    *y += sum;
    return;
  }
  PRERANK_FOR_BLOCKS(width, column_sum_block, rows, x, xs, y)
}

void sum_arrays(size_t n, const float* const* x, size_t count, float* y) {
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    vf sum = load(x[0] + i);
    for (size_t k = 1; k < count; ++k) sum += load(x[k] + i);
    store(y + i, sum);
  }
  for (; i < n; ++i) {
    float sum = x[0][i];
    for (size_t k = 1; k < count; ++k) sum += x[k][i];
    y[i] = sum;
  }
}

double norm_sq(size_t n, const float* x) {
  vd sum = {};
  for (size_t i = 0; i < n; i += kLanes) {
    const vd v = __builtin_convertvector(load_part(x + i, n - i < kLanes ? n - i : kLanes), vd);
    sum += v * v;
  }
  double total = 0;
  for (size_t i = 0; i < kLanes; ++i) total += sum[i];
  return total;
}

}  // namespace

void add_reductions(SimdTable& table) {
  table.row_dot = row_dot;
  table.row_sum = row_sum;
  table.column_sum = column_sum;
  table.sum_arrays = sum_arrays;
  table.norm_sq = norm_sq;
}

}  // namespace prerank::cpu::PRERANK_ISA
