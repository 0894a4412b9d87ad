// Products of small matrices on tensor cores (mma.sync, compute capability 8.0 on): C += A B with A [16, 16], B [16, 8]
// and C [16, 8], the operands rounded to tf32 or bfloat16 and spread over the registers of a warp, the sums float32.
//
// Lane 4 g + m of a warp is member m of group g (0 <= g < 8, 0 <= m < 4). It holds four values of row g of A, four of
// row g + 8, four of column g of B; and of C at rows g (0, 1) and g + 8 (2, 3) the columns 2 m and 2 m + 1. Which four
// of the 16 terms of a sum a member's values stand for is the caller's choice, as long as it is the same for A and B: a
// member's four of A are multiplied with its counterpart's four of B, the first with the first and so on. add_product
// says how that follows from the instructions' layouts.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/launch.h"
#include "cuda/pack.h"
#include "prerank/parameter_store.h"

namespace prerank::cuda {

inline constexpr unsigned int kFragmentRows = 8;    // of A above and below, columns of B
inline constexpr unsigned int kFragmentDepth = 16;  // terms of a sum
inline constexpr unsigned int kFragmentGroup = 4;   // members of a group

// A member's four values, rounded: a register each in tf32, two in a register in bfloat16.
template <MatmulPrecision kPrecision>
struct Rounded {
  static constexpr unsigned int kRegisters = kPrecision == MatmulPrecision::kTf32 ? 4 : 2;
  uint32_t of[kRegisters] = {};
};

// A lane's four of C.
struct FragmentSums {
  float of[4] = {};
};

// To the nearest tf32 (10 bits of mantissa), ties away from 0.
__device__ __forceinline__ uint32_t to_tf32(float x) {
#if defined(__CUDACC__)
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
#else
  return emulator::to_tf32(x);
#endif
}

// Two of the nearest bfloat16 (7 bits of mantissa), ties to even; `low` in the low half.
__device__ __forceinline__ uint32_t to_bfloat16_pair(float low, float high) {
#if defined(__CUDACC__)
  uint32_t bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
#else
  return emulator::to_bfloat16_pair(low, high);
#endif
}

template <MatmulPrecision kPrecision>
__device__ __forceinline__ Rounded<kPrecision> rounded(float a, float b, float c, float d) {
  if constexpr (kPrecision == MatmulPrecision::kTf32) {
    return {{to_tf32(a), to_tf32(b), to_tf32(c), to_tf32(d)}};
  } else {
    return {{to_bfloat16_pair(a, b), to_bfloat16_pair(c, d)}};
  }
}

template <MatmulPrecision kPrecision>
__device__ __forceinline__ Rounded<kPrecision> rounded(const Pack<4>& x) {
  return rounded<kPrecision>(x.v[0], x.v[1], x.v[2], x.v[3]);
}

// mma.m16n8k8 (PTX ISA, "Matrix Fragments for mma.m16n8k8"): of A a lane holds (g, m), (g + 8, m), (g, m + 4) and
// (g + 8, m + 4), of B (m, g) and (m + 4, g).
__device__ __forceinline__ void multiply_tf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if defined(__CUDACC__)
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  emulator::multiply_tf32(c, a, b);
#endif
}

// mma.m16n8k16 (PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type"): of A a lane holds in each
// register two neighbours in k, from (g, 2 m), (g + 8, 2 m), (g, 2 m + 8) and (g + 8, 2 m + 8) on, of B from (2 m, g)
// and (2 m + 8, g) on; the lower k in the low half.
__device__ __forceinline__ void multiply_bfloat16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if defined(__CUDACC__)
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  emulator::multiply_bfloat16(c, a, b);
#endif
}

// C += A B: `upper` is of row g of A, `lower` of row g + 8. In both instructions a lane's registers of A are, in turn,
// those of rows g and g + 8 for a lower and for a higher half of k, and its two of B those of the same k. So k = m, m +
// 4 (tf32, twice), or 2 m, 2 m + 1, 2 m + 8, 2 m + 9 (bfloat16) are the four terms in order.
template <MatmulPrecision kPrecision>
__device__ __forceinline__ void add_product(FragmentSums& c, const Rounded<kPrecision>& upper,
                                            const Rounded<kPrecision>& lower, const Rounded<kPrecision>& columns) {
  PRERANK_UNROLL
  for (unsigned int i = 0; i < Rounded<kPrecision>::kRegisters; i += 2) {
    const uint32_t a[4] = {upper.of[i], lower.of[i], upper.of[i + 1], lower.of[i + 1]};
    const uint32_t b[2] = {columns.of[i], columns.of[i + 1]};
    if constexpr (kPrecision == MatmulPrecision::kTf32) {
      multiply_tf32(c.of, a, b);
    } else {
      multiply_bfloat16(c.of, a, b);
    }
  }
}

}  // namespace prerank::cuda
