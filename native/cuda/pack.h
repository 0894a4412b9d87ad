// Neighbouring floats that a thread moves at once.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace prerank::cuda {

inline constexpr size_t kWidePack = 4;

template <size_t kCount>
struct alignas(kCount * sizeof(float)) Pack {
  float v[kCount];
};

template <size_t kCount>
__device__ inline Pack<kCount> load_pack(const float* x) {
  return *reinterpret_cast<const Pack<kCount>*>(x);
}

// To the device's memory, not to a thread's own or a block's. A plain assignment of four floats is often compiled to four stores.
template <size_t kCount>
__device__ inline void store_pack(float* y, const Pack<kCount>& x) {
  static_assert(kCount == 1 || kCount == kWidePack);
  if constexpr (kCount == 1) {
    *y = x.v[0];
  } else {
    __stwb(reinterpret_cast<float4*>(y), make_float4(x.v[0], x.v[1], x.v[2], x.v[3]));
  }
}

template <size_t kCount>
__device__ inline Pack<kCount> operator+(const Pack<kCount>& a, const Pack<kCount>& b) {
  Pack<kCount> sum;
  for (size_t i = 0; i < kCount; ++i) sum.v[i] = a.v[i] + b.v[i];
  return sum;
}

// Every row from `data` on can be taken in wide packs, as far as its width allows.
inline bool rows_take_packs(const float* data, size_t stride) {
  return reinterpret_cast<uintptr_t>(data) % sizeof(Pack<kWidePack>) == 0 && stride % kWidePack == 0;
}

}  // namespace prerank::cuda
