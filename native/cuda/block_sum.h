// Sums over the threads of a warp or block, in an order that depends on the number of threads alone.
#pragma once

#include <cuda_runtime.h>

namespace prerank::cuda {

#if defined(__CUDACC__) || defined(PRERANK_EMULATED_DEVICE)

// Every lane gets the same sum.
template <class T>
__device__ T warp_sum(T value) {
  for (int mask = 16; mask > 0; mask /= 2) value += __shfl_xor_sync(0xffffffffu, value, mask);
  return value;
}

// Every thread of the block must come, and gets the same sum.
template <class T>
__device__ T block_sum(T value) {
  __shared__ T parts[32];
  value = warp_sum(value);
  const unsigned int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  __syncthreads();  // an earlier call may still be reading
  if (lane == 0) parts[warp] = value;
  __syncthreads();
  return warp_sum(lane < blockDim.x / 32 ? parts[lane] : T{});
}

#endif

}  // namespace prerank::cuda
