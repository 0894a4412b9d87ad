// One vector of parameters moved by one vector of gradient (already scaled, L2 added).
#pragma once

#include "cpu/simd/table.h"
#include "cpu/simd/vec.h"

namespace prerank::cpu::PRERANK_ISA {

PRERANK_INLINE vf regularised(const UpdateConstants& c, vf g, vf w) { return c.grad_scale * g + c.l2 * w; }

PRERANK_INLINE void adagrad(const UpdateConstants& c, vf g, vf& w, vf& sum) {
  sum += g * g;
  w -= c.lr * g / (vsqrt(sum) + c.epsilon);
}

PRERANK_INLINE void adam(const UpdateConstants& c, vf g, vf& w, vf& m, vf& v) {
  m = c.beta1 * m + c.rest1 * g;
  v = c.beta2 * v + c.rest2 * (g * g);
  w = c.decay * w - c.m_rate * m / (vsqrt(v) * c.v_scale + c.epsilon);
}

}  // namespace prerank::cpu::PRERANK_ISA
