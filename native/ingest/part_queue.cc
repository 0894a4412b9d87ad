#include "ingest/part_queue.h"

#include <utility>

namespace prerank::ingest {

std::optional<size_t> PartQueue::claim() {
  const std::lock_guard lock(mutex_);
  if (next_ >= heads_.size() || given_up(next_)) return std::nullopt;
  return next_++;
}

bool PartQueue::claim_part(size_t part) {
  const std::lock_guard lock(mutex_);
  if (next_ != part) return false;
  ++next_;
  return true;
}

void PartQueue::publish_head(size_t part, std::vector<RowSlice> head) {
  {
    const std::lock_guard lock(mutex_);
    heads_[part] = {true, std::move(head)};
  }
  changed_.notify_all();
}

std::optional<std::vector<RowSlice>> PartQueue::take_head(size_t part, size_t waiting) {
  std::unique_lock lock(mutex_);
  Head& head = heads_[part];
  changed_.wait(lock, [&] { return head.ready || given_up(waiting); });
  if (!head.ready) return std::nullopt;
  return std::exchange(head.slices, {});
}

void PartQueue::give_up_from(size_t part) {
  {
    const std::lock_guard lock(mutex_);
    if (part < limit_) limit_ = part;
  }
  changed_.notify_all();
}

}  // namespace prerank::ingest
