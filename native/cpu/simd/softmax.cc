#include "cpu/simd/functions.h"
#include "cpu/simd/math.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

PRERANK_INLINE float maximum(const float* x, size_t n) {
  float largest = x[0];
  for (size_t i = 1; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

void softmax(size_t rows, size_t groups, size_t group, const float* x, size_t xs, float* y, size_t ys) {
  const Split parts = split(group);
  for (size_t r = 0; r < rows; ++r, x += xs, y += ys) {
    for (size_t g = 0; g < groups; ++g) {
      const float* in = x + g * group;
      float* out = y + g * group;
      const float largest = maximum(in, group);
      float total = 0;
      for (size_t v = 0; v < parts.count; ++v) {
        const size_t n = v + 1 < parts.count ? kLanes : parts.last;
        store_part(out + v * kLanes, n, vexp(load_part(in + v * kLanes, n) - largest));
      }
      for (size_t i = 0; i < group; ++i) total += out[i];
      const float scale = 1.0f / total;
      for (size_t i = 0; i < group; ++i) out[i] *= scale;
    }
  }
}

void softmax_grad(size_t rows, size_t groups, size_t group, const float* dy, size_t dys, const float* y, size_t ys,
                  float* dx, size_t dxs) {
  const Split parts = split(group);
  for (size_t r = 0; r < rows; ++r, dy += dys, y += ys, dx += dxs) {
    for (size_t g = 0; g < groups; ++g) {
      const size_t first = g * group;
      vf sum = {};
      for (size_t v = 0; v < parts.count; ++v) {
        const size_t n = v + 1 < parts.count ? kLanes : parts.last;
        sum += load_part(dy + first + v * kLanes, n) * load_part(y + first + v * kLanes, n);
      }
      const float mean = hsum(sum);
      for (size_t v = 0; v < parts.count; ++v) {
        const size_t n = v + 1 < parts.count ? kLanes : parts.last;
        const size_t c = first + v * kLanes;
        store_part(dx + c, n, load_part(y + c, n) * (load_part(dy + c, n) - mean));
      }
    }
  }
}

// A row at a time: its exponentials in one vector where it is narrow.
void log_sum_exp(size_t rows, size_t width, const float* x, size_t xs, float* y, size_t ys) {
  const Split parts = split(width);
  for (size_t r = 0; r < rows; ++r, x += xs, y += ys) {
    const float largest = maximum(x, width);
    float total = 0;
    for (size_t v = 0; v < parts.count; ++v) {
      const size_t n = v + 1 < parts.count ? kLanes : parts.last;
      float each[kLanes];
      store_part(each, n, vexp(load_part(x + v * kLanes, n) - largest));
      for (size_t i = 0; i < n; ++i) total += each[i];
    }
    float log[kLanes];
    store_part(log, 1, vlog(splat(total)));
    *y = largest + log[0];
  }
}

}  // namespace

void add_softmax(SimdTable& table) {
  table.softmax = softmax;
  table.softmax_grad = softmax_grad;
  table.log_sum_exp = log_sum_exp;
}

}  // namespace prerank::cpu::PRERANK_ISA
