// DLRM's dot interaction (arXiv 1906.00091): each row holds T [features, dim]; kept is T T^T below its diagonal.
#include "cpu/simd/functions.h"
#include "cpu/simd/vec.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

PRERANK_INLINE size_t pair(size_t i, size_t j) { return i * (i - 1) / 2 + j; }  // i > j

// Dots of features i .. i + N - 1 with features [j, j + kLanes), from the transposed row.
template <int N>
PRERANK_INLINE void dots(size_t i, size_t j, size_t dim, const float* x, const float* transposed, size_t padded,
                         float* y) {
  vf sum[N] = {};
  for (size_t k = 0; k < dim; ++k) {
    const vf column = load(transposed + k * padded + j);
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) sum[n] += x[(i + static_cast<size_t>(n)) * dim + k] * column;
  }
  for (int n = 0; n < N; ++n) {
    const size_t row = i + static_cast<size_t>(n);
    if (j >= row) continue;
    store_part(y + pair(row, j), row - j < kLanes ? row - j : kLanes, sum[n]);
  }
}

void dot_interaction(size_t rows, size_t features, size_t dim, const float* x, size_t xs, float* y, size_t ys,
                     float* transposed) {
  const size_t padded = (features + 15) / 16 * 16;
  for (size_t r = 0; r < rows; ++r, x += xs, y += ys) {
    for (size_t j = 0; j < features; ++j) {
      for (size_t k = 0; k < dim; ++k) transposed[k * padded + j] = x[j * dim + k];
    }
    size_t i = 1;
    for (; i + 4 <= features; i += 4) {
      for (size_t j = 0; j < i + 3; j += kLanes) dots<4>(i, j, dim, x, transposed, padded, y);
    }
    for (; i < features; ++i) {
      for (size_t j = 0; j < i; j += kLanes) dots<1>(i, j, dim, x, transposed, padded, y);
    }
  }
}

template <int N>
PRERANK_INLINE void grad_block(size_t column, size_t last, size_t features, size_t dim, const float* dy, const float* x,
                               bool accumulate, float* dx) {
  for (size_t i = 0; i < features; ++i) {
    vf sum[N] = {};
    float* out = dx + i * dim + column;
    if (accumulate) load_block<N>(sum, out, last);
    if (i > 0) {
      const float* row = dy + pair(i, 0);
      for (size_t j = 0; j < i; ++j) add_scaled_block<N>(sum, row[j], x + j * dim + column, last);
    }
    for (size_t j = i + 1; j < features; ++j) add_scaled_block<N>(sum, dy[pair(j, i)], x + j * dim + column, last);
    store_block<N>(out, last, sum);
  }
}

void dot_interaction_grad(size_t rows, size_t features, size_t dim, const float* dy, size_t dys, const float* x,
                          size_t xs, bool accumulate, float* dx, size_t dxs) {
  for (size_t r = 0; r < rows; ++r, dy += dys, x += xs, dx += dxs) {
    PRERANK_FOR_BLOCKS(dim, grad_block, features, dim, dy, x, accumulate, dx)
  }
}

}  // namespace

void add_interaction(SimdTable& table) {
  table.dot_interaction = dot_interaction;
  table.dot_interaction_grad = dot_interaction_grad;
}

}  // namespace prerank::cpu::PRERANK_ISA
