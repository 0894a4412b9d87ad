#include "ingest/part_results.h"

#include <utility>

namespace prerank::ingest {

std::vector<NumberedPart> PartResults::complete(size_t part, size_t worker, WrittenPart written) {
  std::vector<NumberedPart> numbered;
  const std::lock_guard lock(mutex_);
  waiting_.emplace(part, Waiting{std::move(written), worker});
  for (auto entry = waiting_.find(next_); entry != waiting_.end(); entry = waiting_.find(++next_)) {
    Waiting done = std::move(entry->second);
    waiting_.erase(entry);
    const PartCounts& counts = done.written.counts;
    counts_.rows += counts.rows;
    counts_.requests += counts.requests;
    counts_.rejected += counts.rejected;
    counts_.dropped += counts.dropped;
    counts_.sampled_out += counts.sampled_out;
    counts_.duplicates += counts.duplicates;
    if (done.written.statistics != nullptr) statistics_->merge(*done.written.statistics);
    if (done.written.path.empty()) continue;
    uint64_t requests = 0;
    for (const WrittenRows& batch : done.written.batches) requests += batch.requests;
    numbered.push_back({std::move(done.written), done.worker, files_++, next_request_});
    next_request_ += requests;
  }
  return numbered;
}

}  // namespace prerank::ingest
