// Sums over the threads of a block that come before each.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace prerank::cuda {

#if defined(__CUDACC__) || defined(PRERANK_EMULATED_DEVICE)

struct BlockPrefix {
  uint32_t before, total;
};

// Every thread of the block must come; it has whole warps.
__device__ inline BlockPrefix block_prefix(uint32_t value) {
  __shared__ uint32_t totals[32];
  const unsigned int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  uint32_t sum = value;
  for (unsigned int delta = 1; delta < 32; delta *= 2) {
    const uint32_t other = __shfl_up_sync(0xffffffffu, sum, delta);
    if (lane >= delta) sum += other;
  }
  __syncthreads();  // an earlier call may still be reading
  if (lane == 31) totals[warp] = sum;
  __syncthreads();
  BlockPrefix prefix = {sum - value, 0};
  for (unsigned int w = 0; w < warps; ++w) {
    if (w < warp) prefix.before += totals[w];
    prefix.total += totals[w];
  }
  return prefix;
}

#endif

}  // namespace prerank::cuda
