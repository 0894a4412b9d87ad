// How many neighbouring threads share a row, or another unit of work: from one thread to a block, a power of two.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include "cuda/launch.h"

namespace prerank::cuda {

inline constexpr unsigned int kWarpThreads = 32;

struct Share {
  unsigned int log2 = 0;

  __host__ __device__ unsigned int threads() const { return 1u << log2; }
  // Number of this thread among those that share its unit.
  __device__ unsigned int lane() const { return threadIdx.x & (threads() - 1); }
  // First unit of this thread, and the distance to its next.
  __device__ size_t first() const { return first_item() >> log2; }
  __device__ size_t step() const { return item_stride() >> log2; }
  // For shares of a warp at most, where collectives keep whole warps together: first unit of this thread's warp, and
  // how far this thread's lies behind it.
  __device__ size_t first_of_warp() const { return (first_item() & ~size_t{kWarpThreads - 1}) >> log2; }
  __device__ size_t behind() const { return (threadIdx.x & (kWarpThreads - 1)) >> log2; }

  unsigned int blocks(size_t units) const { return blocks_for(units << log2); }
};

// The largest share, up to `most` threads, that leaves at most 3 of 8 idle over the passes that `items` take.
inline Share share_for(size_t items, unsigned int most) {
  Share share;
  while (2 * share.threads() <= most) ++share.log2;
  const auto wasteful = [&] {
    const size_t threads = share.threads();
    return (items + threads - 1) / threads * threads * 5 > items * 8;
  };
  while (share.log2 > 0 && wasteful()) --share.log2;
  return share;
}

// Over the threads of a share, in each of them. Every thread of the warp calls it.
__device__ inline float sum_over(Share share, float x) {
  for (unsigned int mask = share.threads() / 2; mask > 0; mask /= 2) x += __shfl_xor_sync(0xffffffffu, x, mask);
  return x;
}
__device__ inline float max_over(Share share, float x) {
  for (unsigned int mask = share.threads() / 2; mask > 0; mask /= 2) {
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, mask));
  }
  return x;
}

}  // namespace prerank::cuda
