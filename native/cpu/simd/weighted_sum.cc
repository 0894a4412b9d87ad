// Mixtures of experts: y = sum over e of gates[e] * x[e], x being [experts, dim] in each row.
#include "cpu/simd/functions.h"
#include "cpu/simd/vec.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

template <int N>
PRERANK_INLINE void sum_block(size_t column, size_t last, size_t experts, size_t dim, const float* gates,
                              const float* x, float* y) {
  vf sum[N] = {};
  for (size_t e = 0; e < experts; ++e) add_scaled_block<N>(sum, gates[e], x + e * dim + column, last);
  store_block<N>(y + column, last, sum);
}

void weighted_sum(size_t rows, size_t experts, size_t dim, const float* gates, size_t gs, const float* x, size_t xs,
                  float* y, size_t ys) {
  for (size_t r = 0; r < rows; ++r, gates += gs, x += xs, y += ys) {
    PRERANK_FOR_BLOCKS(dim, sum_block, experts, dim, gates, x, y)
  }
}

void weighted_sum_grad(size_t rows, size_t experts, size_t dim, const float* dy, size_t dys, const float* gates,
                       size_t gs, const float* x, size_t xs, float* dgates, size_t dgs, float* dx, size_t dxs) {
  const Split parts = split(dim);
  for (size_t r = 0; r < rows; ++r, dy += dys, gates += gs, x += xs, dgates += dgs, dx += dxs) {
    for (size_t e = 0; e < experts; ++e) {
      const float gate = gates[e];
      vf sum = {};
      for (size_t v = 0; v < parts.count; ++v) {
        const size_t n = v + 1 < parts.count ? kLanes : parts.last;
        const size_t c = v * kLanes;
        const vf d = load_part(dy + c, n);
        sum += d * load_part(x + e * dim + c, n);
        store_part(dx + e * dim + c, n, gate * d);
      }
      dgates[e] = hsum(sum);
    }
  }
}

}  // namespace

void add_weighted_sum(SimdTable& table) {
  table.weighted_sum = weighted_sum;
  table.weighted_sum_grad = weighted_sum_grad;
}

}  // namespace prerank::cpu::PRERANK_ISA
