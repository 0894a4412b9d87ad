// What kernels use of tensor cores: rounding of operands, and products of matrices spread over a warp's registers.
#pragma once

#include <cstdint>
#include <source_location>

namespace prerank::emulator {

// cvt.rna.tf32.f32: to 10 bits of mantissa, ties away from 0.
uint32_t to_tf32(float x);
// cvt.rn.bf16x2.f32: two of 7 bits of mantissa, ties to even.
uint32_t to_bfloat16_pair(float low, float high);

// mma.sync.m16n8k8 of tf32 and mma.sync.m16n8k16 of bfloat16, C += A B, by all lanes of a warp. Sums are rounded once.
void multiply_tf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                   const std::source_location& site = std::source_location::current());
void multiply_bfloat16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                       const std::source_location& site = std::source_location::current());

}  // namespace prerank::emulator
