// Launching kernels on explicit streams, and the loops that most of them share.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cuda/device.h"

// Before a loop whose rounds shall be in flight together; the host's compiler, in tests, needs no such hint.
#if defined(__CUDACC__)
#define PRERANK_UNROLL _Pragma("unroll")
#else
#define PRERANK_UNROLL
#endif

namespace prerank::cuda {

inline constexpr unsigned int kBlockThreads = 256;
inline constexpr unsigned int kMaxBlocks = 4096;  // grids are no larger: kernels stride over what is left

inline unsigned int blocks_for(size_t items, size_t per_block = kBlockThreads) {
  return static_cast<unsigned int>(std::clamp<size_t>((items + per_block - 1) / per_block, 1, kMaxBlocks));
}

template <class... P, class... A>
Status launch(cudaStream_t stream, unsigned int blocks, unsigned int threads, void (*kernel)(P...), A&&... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(blocks);
  config.blockDim = dim3(threads);
  config.stream = stream;
  return status_of(cudaLaunchKernelEx(&config, kernel, std::forward<A>(arguments)...), "a kernel launch");
}

#if defined(__CUDACC__) || defined(PRERANK_EMULATED_DEVICE)

// First item of this thread, and the distance to its next.
__device__ inline size_t first_item() { return size_t{blockIdx.x} * blockDim.x + threadIdx.x; }
__device__ inline size_t item_stride() { return size_t{gridDim.x} * blockDim.x; }

// A [rows, width] view on the device.
struct Matrix {
  float* data;
  size_t stride;
  __device__ float& at(size_t row, size_t column) const { return data[row * stride + column]; }
};

#endif

}  // namespace prerank::cuda
