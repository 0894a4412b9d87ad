// Weights of embedding tables, as the lanes of a warp read them.
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "base/table_rounding.h"
#include "prerank/table_weights.h"

namespace prerank::cuda {

#if defined(__CUDACC__) || defined(PRERANK_EMULATED_DEVICE)

// How weights of 16 bits are read, two of them in a word, and what an updated one becomes (base/table_rounding.h).
template <class T>
struct Narrow;

template <>
struct Narrow<Bfloat16> {
  __device__ static float lower(uint32_t pair) { return __uint_as_float(pair << 16); }
  __device__ static float upper(uint32_t pair) { return __uint_as_float(pair & 0xffff0000u); }
  __device__ static uint32_t rounded(float exact, uint32_t random) {
    return rounded_to_bfloat16(__float_as_uint(exact), random);
  }
};

template <>
struct Narrow<Float16> {
  __device__ static float lower(uint32_t pair) { return __half2float(__ushort_as_half(static_cast<uint16_t>(pair))); }
  __device__ static float upper(uint32_t pair) { return lower(pair >> 16); }
  __device__ static uint32_t rounded(float exact, uint32_t random) {
    return rounded_to_float16(__float_as_uint(exact), random);
  }
};

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

template <class T>
struct Weights<1, T> {
  uint16_t bits;
  __device__ void load(const T* p) { bits = __ldg(&p->bits); }
  __device__ void add_to(float* sum, float scale) const { sum[0] += scale * Narrow<T>::lower(bits); }
};

template <class T>
__device__ void add_pair(float* sum, float scale, uint32_t pair) {
  sum[0] += scale * Narrow<T>::lower(pair);
  sum[1] += scale * Narrow<T>::upper(pair);
}

template <class T>
struct Weights<4, T> {
  uint2 bits;
  __device__ void load(const T* p) { bits = __ldg(reinterpret_cast<const uint2*>(p)); }
  __device__ void add_to(float* sum, float scale) const {
    add_pair<T>(sum, scale, bits.x);
    add_pair<T>(sum + 2, scale, bits.y);
  }
};

template <class T>
struct Weights<8, T> {
  uint4 bits;
  __device__ void load(const T* p) { bits = __ldg(reinterpret_cast<const uint4*>(p)); }
  __device__ void add_to(float* sum, float scale) const {
    add_pair<T>(sum, scale, bits.x);
    add_pair<T>(sum + 2, scale, bits.y);
    add_pair<T>(sum + 4, scale, bits.z);
    add_pair<T>(sum + 6, scale, bits.w);
  }
};

#endif

}  // namespace prerank::cuda
