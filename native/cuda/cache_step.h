// What a step does about the cached rows of its batch, before anything looks them up.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/cache_passes.h"
#include "cuda/device.h"
#include "cuda/row_cache.h"

namespace prerank::cuda {

class CacheStep {
 public:
  // The cache outlives this. Null: there is nothing to do.
  explicit CacheStep(const RowCache* cache = nullptr) : cache_(cache) {}

  // Room for so many scans. The stream must come after whatever uses it. Goes up: `generation`, when addresses change.
  Status reserve(cudaStream_t stream, size_t scans, uint64_t& generation);
  // Of the batch in the pass. Can be captured.
  Status enqueue(cudaStream_t stream, const SparsePass& pass) const;
  size_t bytes() const { return rows_.bytes() + slots_.bytes() + first_.bytes(); }

 private:
  const RowCache* cache_;
  DeviceBuffer rows_, slots_, first_;
  size_t scans_ = 0;
};

}  // namespace prerank::cuda
