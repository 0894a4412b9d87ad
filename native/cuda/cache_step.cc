#include "cuda/cache_step.h"

#include "cuda/grow_buffer.h"

namespace prerank::cuda {

Status CacheStep::reserve(cudaStream_t stream, size_t scans, uint64_t& generation) {
  constexpr const char* kWhat = "rows that come into the cache";
  if (cache_ == nullptr || scans == 0) return {};
  PRERANK_RETURN_IF_ERROR(grow_buffer<uint32_t>(stream, rows_, scans * kScanEntries, kWhat, generation));
  PRERANK_RETURN_IF_ERROR(grow_buffer<uint32_t>(stream, slots_, scans * kScanEntries, kWhat, generation));
  PRERANK_RETURN_IF_ERROR(grow_buffer<uint32_t>(stream, first_, scans + 1, kWhat, generation));
  scans_ = scans > scans_ ? scans : scans_;
  return {};
}

Status CacheStep::enqueue(cudaStream_t stream, const SparsePass& pass) const {
  if (cache_ == nullptr || scans_ == 0) return {};
  const MissingRows missing = {rows_.as<uint32_t>(), first_.as<uint32_t>(), slots_.as<uint32_t>(), scans_};
  for (const SlotPool& pool : cache_->pools()) {
    PRERANK_RETURN_IF_ERROR(enqueue_choice(stream, pass, pool, missing));
    PRERANK_RETURN_IF_ERROR(enqueue_moves(stream, pass, pool, missing));
  }
  return {};
}

}  // namespace prerank::cuda
