// exp, log and what is made of them, on vectors, to about 1-2 units in the last place.
// Polynomials: Cephes mathematical library (S. L. Moshier), single precision.
#pragma once

#include "cpu/simd/vec.h"

namespace prerank::cpu::PRERANK_ISA {

// 2^n for |n| <= 126.
PRERANK_INLINE vf power_of_two(vi n) { return as_float((n + 127) << 23); }

PRERANK_INLINE vf vexp(vf x) {
  const vf t = vmin(vmax(x, splat(-104.0f)), splat(89.0f));  // beyond, the result is 0 or infinity anyway
  const vf magic = splat(12582912.0f);                       // 1.5 * 2^23: adding it rounds to an integer
  const vf n = (t * 1.44269504088896341f + magic) - magic;
  vf r = t - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  vf p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const vf y = p * (r * r) + r + 1.0f;
  const vi whole = __builtin_convertvector(n, vi);
  const vi half = whole >> 1;
  return x != x ? x : y * power_of_two(half) * power_of_two(whole - half);
}

// x in (0, infinity), normal.
PRERANK_INLINE vf log_normal(vf x) {
  const vi bits = as_int(x);
  vf e = __builtin_convertvector((bits >> 23) - 126, vf);
  vf m = as_float((bits & 0x007fffff) | 0x3f000000);
  const vi small = m < 0.707106781186547524f;
  e = small ? e - 1.0f : e;
  m = (small ? m + m : m) - 1.0f;
  const vf z = m * m;
  vf p = splat(7.0376836292e-2f);
  p = p * m + -1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m + -1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m + -1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m + -2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  vf y = p * m * z;
  y = y + e * -2.12194440e-4f;
  y = y - z * 0.5f;
  return m + y + e * 0.693359375f;
}

PRERANK_INLINE vf vlog(vf x) {
  const vf infinity = splat(__builtin_inff());
  const vi tiny = x < 1.17549435e-38f;
  const vf y = log_normal(tiny ? x * 8388608.0f : x);
  vf result = tiny ? y - 15.942385152878742f : y;  // log 2^23
  result = x == infinity ? infinity : result;
  result = x == 0.0f ? -infinity : result;
  result = x < 0.0f ? splat(__builtin_nanf("")) : result;
  return x != x ? x : result;
}

// log(1 + x) for x in [0, 1].
PRERANK_INLINE vf vlog1p_unit(vf x) {
  const vf u = x + 1.0f;
  return log_normal(u) + (x - (u - 1.0f)) / u;
}

PRERANK_INLINE vf vsigmoid(vf x) {
  const vf e = vexp(-vabs(x));
  const vf y = 1.0f / (e + 1.0f);
  return x < 0.0f ? e * y : y;
}

PRERANK_INLINE vf vsoftplus(vf x) {
  const vf y = (x > 0.0f ? x : vf{}) + vlog1p_unit(vexp(-vabs(x)));
  return x != x ? x : y;
}

PRERANK_INLINE vf vtanh(vf x) {
  const vf a = vabs(x);
  const vf z = x * x;
  vf p = splat(-5.70498872745e-3f);
  p = p * z + 2.06390887954e-2f;
  p = p * z + -5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z + -3.33332819422e-1f;
  const vf near = p * z * x + x;
  const vf large = 1.0f - 2.0f / (vexp(a + a) + 1.0f);
  return a < 0.625f ? near : (x < 0.0f ? -large : large);
}

}  // namespace prerank::cpu::PRERANK_ISA
