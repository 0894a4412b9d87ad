// Hands the parts of a log to workers in order, and the head of each part to whoever encodes the part before it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <limits>
#include <mutex>
#include <optional>
#include <vector>

#include "ingest/row_block.h"

namespace prerank::ingest {

// All methods: any thread.
class PartQueue {
 public:
  explicit PartQueue(size_t parts) : heads_(parts) {}

  // The next part that nobody has; nullopt when none is left or it is given up.
  std::optional<size_t> claim();
  // Claims this part unless somebody has it. The parts before it must have been claimed.
  bool claim_part(size_t part);

  // Whoever claims a part publishes its head before anything else, also an empty one.
  void publish_head(size_t part, std::vector<RowSlice> head);
  // Waits for the head of a part that is claimed, and takes it; nullopt when `waiting`, the part that needs it, is
  // given up.
  std::optional<std::vector<RowSlice>> take_head(size_t part, size_t waiting);

  // This part and all after it need not be encoded: their workers stop, waiting ones wake up.
  void give_up_from(size_t part);
  bool given_up(size_t part) const { return part >= limit_.load(std::memory_order_relaxed); }

 private:
  struct Head {
    bool ready = false;
    std::vector<RowSlice> slices;
  };

  std::atomic<size_t> limit_{std::numeric_limits<size_t>::max()};
  std::mutex mutex_;  // guards what follows, and changes of limit_
  std::condition_variable changed_;
  size_t next_ = 0;
  std::vector<Head> heads_;
};

}  // namespace prerank::ingest
