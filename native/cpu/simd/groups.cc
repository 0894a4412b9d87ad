// Groups of `dim` columns: scaled by a number each, or multiplied with another row's and summed to a number each.
#include "cpu/simd/functions.h"
#include "cpu/simd/vec.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

void scale_groups(size_t rows, size_t groups, size_t dim, const float* gates, size_t gs, const float* x, size_t xs,
                  float* y, size_t ys) {
  const Split parts = split(dim);
  for (size_t r = 0; r < rows; ++r, gates += gs, x += xs, y += ys) {
    for (size_t g = 0; g < groups; ++g) {
      const float gate = gates[g];
      for (size_t v = 0; v < parts.count; ++v) {
        const size_t n = v + 1 < parts.count ? kLanes : parts.last;
        const size_t c = g * dim + v * kLanes;
        store_part(y + c, n, gate * load_part(x + c, n));
      }
    }
  }
}

void group_dot(size_t rows, size_t groups, size_t dim, const float* a, size_t as, const float* b, size_t bs, float* y,
               size_t ys) {
  const Split parts = split(dim);
  for (size_t r = 0; r < rows; ++r, a += as, b += bs, y += ys) {
    for (size_t g = 0; g < groups; ++g) {
      vf sum = {};
      for (size_t v = 0; v < parts.count; ++v) {
        const size_t n = v + 1 < parts.count ? kLanes : parts.last;
        const size_t c = g * dim + v * kLanes;
        sum += load_part(a + c, n) * load_part(b + c, n);
      }
      y[g] = hsum(sum);
    }
  }
}

}  // namespace

void add_groups(SimdTable& table) {
  table.scale_groups = scale_groups;
  table.group_dot = group_dot;
}

}  // namespace prerank::cpu::PRERANK_ISA
