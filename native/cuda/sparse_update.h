// The last phase of a step for embedding tables: gradients of table rows summed from dL/d(pooled) and applied at once;
// they never exist in memory. Every table in one pass over the ids sorted by row (table_index.h), and a small one
// behind it.
//
// Bytes that must be moved, per entry (an id of a trained lookup) with k-byte keys (4, or 8 from 2^32 rows on) and
// s-byte sources (4, or 8 with weights or means), in p = bits of a key / 8 digits:
//   index   4 (id) + k + s, and p (2k + 2s) + k for the sort
//   pass    k + s + 4 dim of a pooled gradient: less from the second reading of a bag, where a cache still has it
//   merge   0 for rows that lie within a chunk; at most 8 dim / 32 for those that do not
// and per distinct row 8 dim (4 dim of a table of 16 bits) for the weights, 8 for row-wise Adagrad's state, 8 dim for
// Adagrad's and 16 dim for Adam's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cuda/cache_step.h"
#include "cuda/device.h"
#include "cuda/kernel.h"
#include "cuda/sparse_passes.h"
#include "cuda/table_index.h"
#include "prerank/parameter_store.h"
#include "prerank/plan.h"

namespace prerank::cuda {

// A table on the device, as TableView, with its optimizer's state (null where unused): [rows, dim]; row-wise: [rows].
struct DeviceTable {
  TableWeights weights;
  float* state0 = nullptr;
  float* state1 = nullptr;
  int64_t rows = 0;
  int64_t dim = 0;
  const CachedTable* cached = nullptr;  // of a table in the host's memory
};

class SparseUpdate {
 public:
  // tables: per Plan::tables. gradients: per Plan::id_inputs, on the device; a null base is not trained. rows,
  // requests: of the largest batch. cache: of tables in the host's memory, or null; it outlives this. kUnsupported for
  // a trained table of more than 1024 columns.
  static Result<SparseUpdate> create(const Plan& plan, std::span<const DeviceTable> tables,
                                     const SparseOptimizer& optimizer, std::span<const cpu::PooledGradient> gradients,
                                     size_t rows, size_t requests, const RowCache* cache = nullptr);

  // Launches what depends on a batch's ids alone: not to be captured. See TableIndex::index for the arguments.
  Status index(cudaStream_t stream, const DeviceBatch& batch, std::span<const size_t> ids, size_t rows,
               size_t requests);

  // Brings rows of the indexed batch into the cache, before anything looks them up. Can be captured.
  Status enqueue_cache(cudaStream_t stream) const;
  // Squared norm of the unscaled table gradients of the indexed batch, to *out on the device. Can be captured.
  Status enqueue_norm(cudaStream_t stream, double* out) const;
  // The update of the indexed batch: nothing when the step is refused or does not update. Can be captured.
  Status enqueue_update(cudaStream_t stream, const DeviceStep& step) const;

  // Goes up when a batch needed more memory: what was captured before must be captured again.
  uint64_t generation() const { return index_.generation() + generation_; }
  // Of the device, in all.
  size_t bytes() const;

 private:
  // How a batch's entries are divided.
  struct Division {
    std::vector<TableChunks> tables;
    size_t warps = 0, pieces = 0, scans = 0, partial_floats = 0;
  };

  Status describe_tables(const Plan& plan, std::span<const DeviceTable> tables,
                         std::span<const cpu::PooledGradient> gradients, std::span<const PlanSparseGradient> lookups);
  Division divide(std::span<const size_t> table_starts) const;
  Status reserve(cudaStream_t stream, const Division& division);
  SparsePass pass() const;

  TableIndex index_;
  CacheStep cache_;
  std::vector<SparseTable> tables_;
  SparseLaunch size_;
  bool trains_ = false;
  DeviceBuffer device_tables_, gradients_, chunks_;
  DeviceBuffer partials_, norms_, norm_parts_;
  uint64_t generation_ = 0;
};

}  // namespace prerank::cuda
