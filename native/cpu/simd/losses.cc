#include "cpu/simd/functions.h"
#include "cpu/simd/math.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

// softplus(a) - y a and sigmoid(a) - y, arranged so that nothing cancels for y of 0 or 1: with h = (a > 0) and
// e = exp(-|a|), the loss is (h - y) a + log1p(e), the gradient (h - y) + (1 - 2 h) e / (1 + e).
PRERANK_INLINE void cross_entropy(vf a, vf y, vf& loss, vf& grad, vf& p) {
  const vi positive = a > 0.0f;
  const vf h = positive ? splat(1.0f) : vf{};
  const vf e = vexp(-vabs(a));
  const vf tail = e / (e + 1.0f);
  const vf signed_tail = positive ? -tail : tail;
  loss = (h - y) * a + vlog1p_unit(e);
  grad = (h - y) + signed_tail;
  p = h + signed_tail;
}

void bce(size_t n, const float* a, const float* y, float* loss, float* grad, float* p) {
  for (size_t i = 0; i < n; i += kLanes) {
    const size_t lanes = n - i < kLanes ? n - i : kLanes;
    vf l, g, q;
    cross_entropy(load_part(a + i, lanes), load_part(y + i, lanes), l, g, q);
    store_part(loss + i, lanes, l);
    store_part(grad + i, lanes, g);
    store_part(p + i, lanes, q);
  }
}

}  // namespace

void add_losses(SimdTable& table) { table.bce = bce; }

}  // namespace prerank::cpu::PRERANK_ISA
