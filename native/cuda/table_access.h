// Weights of embedding tables, as the lanes of a warp read them.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "prerank/bfloat16.h"

namespace prerank::cuda {

#if defined(__CUDACC__) || defined(PRERANK_EMULATED_DEVICE)

__device__ inline float widened(uint32_t bits) { return __uint_as_float(bits << 16); }

// kWidth neighbouring weights, whose address is a multiple of their size.
template <int kWidth, class T>
struct Weights;

template <>
struct Weights<1, float> {
  float bits;
  __device__ void load(const float* p) { bits = __ldg(p); }
  __device__ void add_to(float* sum, float scale) const { sum[0] += scale * bits; }
};

template <>
struct Weights<4, float> {
  float4 bits;
  __device__ void load(const float* p) { bits = __ldg(reinterpret_cast<const float4*>(p)); }
  __device__ void add_to(float* sum, float scale) const {
    sum[0] += scale * bits.x;
    sum[1] += scale * bits.y;
    sum[2] += scale * bits.z;
    sum[3] += scale * bits.w;
  }
};

template <>
struct Weights<1, Bfloat16> {
  uint16_t bits;
  __device__ void load(const Bfloat16* p) { bits = __ldg(&p->bits); }
  __device__ void add_to(float* sum, float scale) const { sum[0] += scale * widened(bits); }
};

__device__ inline void add_pair(float* sum, float scale, uint32_t pair) {
  sum[0] += scale * widened(pair);
  sum[1] += scale * __uint_as_float(pair & 0xffff0000u);
}

template <>
struct Weights<4, Bfloat16> {
  uint2 bits;
  __device__ void load(const Bfloat16* p) { bits = __ldg(reinterpret_cast<const uint2*>(p)); }
  __device__ void add_to(float* sum, float scale) const {
    add_pair(sum, scale, bits.x);
    add_pair(sum + 2, scale, bits.y);
  }
};

template <>
struct Weights<8, Bfloat16> {
  uint4 bits;
  __device__ void load(const Bfloat16* p) { bits = __ldg(reinterpret_cast<const uint4*>(p)); }
  __device__ void add_to(float* sum, float scale) const {
    add_pair(sum, scale, bits.x);
    add_pair(sum + 2, scale, bits.y);
    add_pair(sum + 4, scale, bits.z);
    add_pair(sum + 6, scale, bits.w);
  }
};

#endif

}  // namespace prerank::cuda
