// The rejected rows of all parts, and the bound on their number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "ingest/part_queue.h"
#include "prerank/ingest.h"

namespace prerank::ingest {

// All methods: any thread.
class RejectLog {
 public:
  RejectLog(size_t parts, uint64_t max_bad, PartQueue& queue) : max_bad_(max_bad), queue_(queue), parts_(parts) {}

  // Takes the rows that a part's next block rejected. Once the log up to a part has too many, that part and the later
  // ones are given up, so that the first max_bad + 1 rejects are the same whoever works when.
  void add(size_t part, std::vector<RejectedRow>& rows);

  bool too_many() const;
  // In the order of the log, at most max_bad + 1.
  std::vector<RejectedRow> take();

 private:
  const uint64_t max_bad_;
  PartQueue& queue_;
  mutable std::mutex mutex_;  // guards what follows
  uint64_t total_ = 0;
  std::vector<std::vector<RejectedRow>> parts_;
};

}  // namespace prerank::ingest
