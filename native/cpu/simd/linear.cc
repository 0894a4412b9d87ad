// Matrix products with few outputs, straight from the weights.
#include "cpu/simd/functions.h"
#include "cpu/simd/vec.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

// N outputs of one row.
template <int N>
PRERANK_INLINE void dot_outputs(size_t in, const float* x, const float* w, const float* bias, float* y) {
  vf sum[N] = {};
  size_t c = 0;
  for (; c + kLanes <= in; c += kLanes) {
    const vf v = load(x + c);
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) sum[n] += v * load(w + static_cast<size_t>(n) * in + c);
  }
  if (c < in) {
    const vf v = load_tail(x + c, in - c);
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) sum[n] += v * load_tail(w + static_cast<size_t>(n) * in + c, in - c);
  }
#pragma GCC unroll 4
  for (int n = 0; n < N; ++n) y[n] = hsum(sum[n]) + (bias == nullptr ? 0.0f : bias[n]);
}

void linear(size_t rows, size_t in, size_t out, const float* x, size_t xs, const float* w, const float* bias, float* y,
            size_t ys) {
  for (size_t r = 0; r < rows; ++r, x += xs, y += ys) {
    size_t o = 0;
    for (; o + 4 <= out; o += 4) dot_outputs<4>(in, x, w + o * in, bias == nullptr ? bias : bias + o, y + o);
    for (; o < out; ++o) dot_outputs<1>(in, x, w + o * in, bias == nullptr ? bias : bias + o, y + o);
  }
}

template <int N>
PRERANK_INLINE void dx_block(size_t column, size_t last, size_t in, size_t out, const float* d, const float* w,
                             float* dx) {
  vf sum[N] = {};
  for (size_t o = 0; o < out; ++o) add_scaled_block<N>(sum, d[o], w + o * in + column, last);
  store_block<N>(dx + column, last, sum);
}

void linear_dx(size_t rows, size_t in, size_t out, const float* d, size_t ds, const float* w, float* dx, size_t dxs) {
  for (size_t r = 0; r < rows; ++r, d += ds, dx += dxs) {
    PRERANK_FOR_BLOCKS(in, dx_block, in, out, d, w, dx)
  }
}

template <int N>
PRERANK_INLINE void dw_block(size_t column, size_t last, size_t rows, const float* d, size_t ds, const float* x,
                             size_t xs, float* dw) {
  vf sum[N];
  load_block<N>(sum, dw + column, last);
  for (size_t r = 0; r < rows; ++r) add_scaled_block<N>(sum, d[r * ds], x + r * xs + column, last);
  store_block<N>(dw + column, last, sum);
}

void linear_dw(size_t rows, size_t in, size_t out, const float* d, size_t ds, const float* x, size_t xs, float* dw) {
  for (size_t o = 0; o < out; ++o, ++d, dw += in) {
    PRERANK_FOR_BLOCKS(in, dw_block, rows, d, ds, x, xs, dw)
  }
}

}  // namespace

void add_linear(SimdTable& table) {
  table.linear = linear;
  table.linear_dx = linear_dx;
  table.linear_dw = linear_dw;
}

}  // namespace prerank::cpu::PRERANK_ISA
