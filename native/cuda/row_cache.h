// The slots on a device for rows of tables in the host's memory: how much memory they take, and what lies there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cuda/cached_rows.h"
#include "cuda/device.h"

namespace prerank::cuda {

// A table of the store that stays in the host's memory. Bytes are those of a row.
struct HostTable {
  size_t parameter = 0;
  size_t rows = 0;
  RowArrays arrays;
  size_t weight_bytes = 0, state0_bytes = 0, state1_bytes = 0;
};

class RowCache {
 public:
  // parameters: of the store. No row has a slot until it is opened.
  static Result<RowCache> create(std::vector<HostTable> tables, size_t parameters);

  // Takes so many bytes of the device at most, shared by pools as their tables' sizes are. Once; and never more than
  // most_bytes(). kInvalidArgument when they are not more than least_bytes().
  Status open(size_t bytes);
  bool is_open() const { return !pools_.empty(); }
  // The numbers of slots of all rows, 4 bytes each; and these with a slot for every row.
  size_t least_bytes() const;
  size_t most_bytes() const;

  // On the device; null for a parameter that is not in the host's memory.
  const CachedTable* table(size_t parameter) const;
  // Empty before it is opened.
  std::span<const SlotPool> pools() const { return pools_; }
  size_t bytes() const;

  // Sums over pools of what came and went since the store was made. Nothing may work on the device.
  Result<HostRows> counts() const;
  // Writes rows that changed to their tables, and waits. Nothing else may work on the device.
  Status flush(cudaStream_t stream) const;
  // The same, and leaves no row with a slot.
  Status empty(cudaStream_t stream) const;

 private:
  Status open_pool(cudaStream_t stream, std::span<const HostTable> tables, size_t capacity);
  // `value` in every byte.
  Result<void*> allocate(cudaStream_t stream, size_t bytes, int value);

  std::vector<HostTable> tables_;  // those of a pool follow each other
  std::vector<SlotPool> pools_;
  std::vector<CachedTable> descriptors_;  // per parameter
  DeviceBuffer device_descriptors_;
  std::vector<DeviceBuffer> memory_;
};

}  // namespace prerank::cuda
