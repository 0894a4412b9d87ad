#include "ingest/reject_log.h"

#include <iterator>
#include <utility>

namespace prerank::ingest {

void RejectLog::add(size_t part, std::vector<RejectedRow>& rows) {
  if (rows.empty()) return;
  const std::lock_guard lock(mutex_);
  auto& all = parts_[part];
  std::move(rows.begin(), rows.end(), std::back_inserter(all));
  total_ += rows.size();
  rows.clear();
  if (total_ <= max_bad_) return;
  uint64_t before = 0;
  for (size_t i = 0; i < parts_.size(); ++i) {
    before += parts_[i].size();
    if (before <= max_bad_) continue;
    queue_.give_up_from(i);
    return;
  }
}

bool RejectLog::too_many() const {
  const std::lock_guard lock(mutex_);
  return total_ > max_bad_;
}

std::vector<RejectedRow> RejectLog::take() {
  const std::lock_guard lock(mutex_);
  std::vector<RejectedRow> rows;
  for (auto& part : parts_) {
    for (RejectedRow& row : part) {
      if (rows.size() > max_bad_) return rows;
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

}  // namespace prerank::ingest
