// Sums over ranges of rows, column by column. A block adds slices of a range and joins them in a fixed order: the
// result depends on nothing but the ranges and the operands' layout.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>

#include "cuda/launch.h"
#include "cuda/pack.h"
#include "cuda/share.h"

namespace prerank::cuda {

struct RowRanges {
  size_t count = 0, width = 0;
  Share lanes = {};   // neighbouring packs of a row
  Share slices = {};  // every so many-th row of a range
  size_t spans = 0;   // of lanes, for a row
  bool add = false;   // to what the result holds
};

// Of one pack of columns at x, over the rows first, first + step, … before `end`. Four loads are on their way at once.
template <size_t kCount>
__device__ Pack<kCount> sum_rows_between(size_t first, size_t end, size_t step, const float* x, size_t stride) {
  constexpr size_t kAtOnce = 4;
  Pack<kCount> sum = {};
  size_t row = first;
  for (; row + (kAtOnce - 1) * step < end; row += kAtOnce * step) {
    Pack<kCount> rows[kAtOnce];
    for (size_t i = 0; i < kAtOnce; ++i) rows[i] = load_pack<kCount>(x + (row + i * step) * stride);
    for (size_t i = 0; i < kAtOnce; ++i) sum = sum + rows[i];
  }
  for (; row < end; row += step) sum = sum + load_pack<kCount>(x + row * stride);
  return sum;
}

// y[k, c] = sum of x[r, c] over the rows r of range k, from bounds.first(k) to before bounds.last(k).
template <size_t kCount, class Bounds>
__global__ void sum_row_ranges(RowRanges e, Bounds bounds, const float* x, size_t x_stride,
                               Matrix y) {
  __shared__ Pack<kCount> sums[kBlockThreads];
  const Share threads = {e.lanes.log2 + e.slices.log2};
  const size_t per_block = kBlockThreads >> threads.log2;
  const unsigned int slice = threads.lane() >> e.lanes.log2;
  for (size_t first = blockIdx.x * per_block; first < e.count * e.spans; first += gridDim.x * per_block) {
    const size_t unit = first + (threadIdx.x >> threads.log2), range = unit / e.spans;
    const size_t column = (unit % e.spans * e.lanes.threads() + e.lanes.lane()) * kCount;
    const bool inside = range < e.count && column < e.width;
    Pack<kCount> sum = {};
    if (inside) {
      sum = sum_rows_between<kCount>(bounds.first(range) + slice, bounds.last(range), e.slices.threads(), x + column,
                                     x_stride);
    }
    sums[threadIdx.x] = sum;
    for (unsigned int half = e.slices.threads() / 2; half > 0; half /= 2) {
      __syncthreads();
      if (slice < half) sums[threadIdx.x] = sums[threadIdx.x] + sums[threadIdx.x + half * e.lanes.threads()];
    }
    if (inside && slice == 0) {
      sum = sums[threadIdx.x];
      float* const at = &y.at(range, column);
      store_pack(at, e.add ? load_pack<kCount>(at) + sum : sum);
    }
    __syncthreads();
  }
}

// `slices`: at most so many, a power of two; fewer where the lanes leave no room.
template <class Bounds>
Status enqueue_row_ranges(cudaStream_t stream, RowRanges e, unsigned int slices, Bounds bounds, const float* x,
                          size_t x_stride, const Matrix& y) {
  const bool packs = e.width % kWidePack == 0 && rows_take_packs(x, x_stride) && rows_take_packs(y.data, y.stride);
  const size_t items = packs ? e.width / kWidePack : e.width;
  e.lanes = share_for(items, kWarpThreads);
  e.spans = (items + e.lanes.threads() - 1) / e.lanes.threads();
  while (2 * e.slices.threads() <= std::min(slices, kBlockThreads / e.lanes.threads())) ++e.slices.log2;
  const Share threads = {e.lanes.log2 + e.slices.log2};
  return launch(stream, threads.blocks(e.count * e.spans), kBlockThreads,
                packs ? sum_row_ranges<kWidePack, Bounds> : sum_row_ranges<1, Bounds>, e, bounds, x, x_stride, y);
}

}  // namespace prerank::cuda
