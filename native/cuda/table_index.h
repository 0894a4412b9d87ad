// The table index of a batch on the device: all ids of trained lookups, sorted by table row (cf. BatchTableIndex). Rows
// of all tables share one numbering, so that one sort serves them all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cuda/device.h"
#include "cuda/kernel.h"
#include "cuda/table_sort.h"
#include "prerank/plan.h"

namespace prerank::cuda {

// Entries in ascending order of keys, those of one row in (input, bag, position) order. A key is a row's number,
// counted from first_key of its table. Of each pair one address is null.
struct SortedEntries {
  const uint32_t* narrow_keys = nullptr;
  const uint64_t* wide_keys = nullptr;
  const uint32_t* sources = nullptr;  // id input << bag_bits | bag, with coefficient 1
  const WeightedSource* weighted = nullptr;
  int bag_bits = 0;
};

class TableIndex {
 public:
  // For the lookups with a gradient in `trained`; ids of the other inputs are left out. rows, requests: of the largest
  // batch. kUnsupported when input and bag do not fit into 32 bits.
  static Result<TableIndex> create(const Plan& plan, std::span<const PlanSparseGradient> trained, size_t rows,
                                   size_t requests);

  // Launches the index of a batch whose ids have been checked. ids: how many the batch has, per Plan::id_inputs. The
  // stream must come after whatever reads the last index. Waits only when a batch has more entries than any before it.
  Status index(cudaStream_t stream, const DeviceBatch& batch, std::span<const size_t> ids, size_t rows,
               size_t requests);

  SortedEntries entries() const;
  // Of the last batch, on the device.
  const uint64_t* count() const { return words_.as<uint64_t>(); }
  // Of the last batch: where the entries of table t of the plan begin, and the number of all. Before any batch, of the
  // largest with one id in every bag, for which there is room from the start.
  std::span<const size_t> table_starts() const { return table_starts_; }
  // Of table t's row 0.
  uint64_t first_key(size_t table) const { return first_keys_[table]; }

  // Entries that there is room for.
  size_t capacity() const { return capacity_; }
  // Goes up when addresses change.
  uint64_t generation() const { return generation_; }
  size_t bytes() const;

 private:
  struct Input {
    size_t id_input = 0, table = 0;
    bool multi = false;
    Domain domain = Domain::kRow;
  };

  Status lay_out(const Plan& plan, std::span<const PlanSparseGradient> trained);
  Status upload_inputs(const Plan& plan, std::span<const PlanSparseGradient> trained);
  std::vector<uint64_t> count_entries(std::span<const size_t> ids);
  Status reserve(cudaStream_t stream, size_t count);
  Status reserve_sort(cudaStream_t stream, uint32_t count);
  EntryBuffers buffers() const;

  EntryShape shape_;
  size_t rows_ = 0, requests_ = 0;
  std::vector<Input> inputs_;
  std::vector<uint64_t> first_keys_;
  std::vector<size_t> table_starts_;
  bool lists_ = false;
  DeviceBuffer device_inputs_;
  DeviceBuffer words_;  // number of entries, then the first of each input
  DeviceBuffer keys_, sources_, sorted_keys_, sorted_sources_, temporary_;
  size_t capacity_ = 0;
  uint64_t generation_ = 0;
};

}  // namespace prerank::cuda
