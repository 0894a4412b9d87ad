#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ingest/log_reader.h"
#include "ingest/part_profile.h"
#include "ingest/workers.h"
#include "prerank/ingest.h"

namespace prerank {
namespace {

using namespace ingest;

// Of the memory bound: DuckDB has a half, the requests' hashes a quarter, and as much again while they are sorted.
constexpr uint64_t kHashShare = 4;

size_t columns_read(const ProfileSpec& spec) {
  size_t last = std::max({spec.row_input, spec.request_input.value_or(0), spec.time_input.value_or(0)});
  for (const size_t input : spec.moment_inputs) last = std::max(last, input);
  return last + 1;
}

// Puts the findings of the parts together, in the order of the log.
class Merge {
 public:
  explicit Merge(const ProfileSpec& spec)
      : by_request_(spec.request_input.has_value()), moments_(spec.moment_inputs.size()) {}

  void add(PartFindings part) {
    profile_.rows += part.rows;
    profile_.parts.push_back({part.rows, by_request_ && part.rows > 0 ? head_rows(part) : 0});
    if (by_request_ && part.rows > 0) add_requests(part);
    const bool timed = part.first_time.index() != 0;
    if (!part.chronological || (timed && part.first_time < last_time_)) profile_.chronological = false;
    if (timed) last_time_ = std::move(part.last_time);
    for (size_t i = 0; i < moments_.size(); ++i) moments_[i].merge(part.moments[i]);
  }

  LogProfile finish(bool hashes_complete) {
    std::ranges::sort(hashes_);
    const bool repeated = std::ranges::adjacent_find(hashes_) != hashes_.end();
    profile_.requests_together = hashes_complete && !repeated;
    for (const CentralMoments& of : moments_) {
      Moments moments{0, 1, of.count};
      // Rounding gives constant columns a tiny deviation.
      const bool constant = of.count == 0 || of.minimum == of.maximum;
      if (of.count > 0) moments.mean = constant ? of.minimum : of.mean;
      if (!constant) moments.deviation = std::sqrt(of.second / static_cast<double>(of.count));
      profile_.moments.push_back(moments);
    }
    return std::move(profile_);
  }

 private:
  bool continues(const PartFindings& part) const { return last_ && part.first == last_; }

  uint64_t head_rows(const PartFindings& part) const {
    if (!has_rows_) return 0;
    return part.leading_nulls + (continues(part) ? part.first_rows : 0);
  }

  void add_requests(PartFindings& part) {
    const bool continued = continues(part);
    profile_.requests += part.runs - (continued ? 1 : 0);
    if (!has_rows_ && part.leading_nulls > 0) ++profile_.requests;  // rows without a request, before all others
    hashes_.insert(hashes_.end(), part.hashes.begin() + (continued && !part.hashes.empty() ? 1 : 0), part.hashes.end());
    if (part.last) last_ = std::move(part.last);
    has_rows_ = true;
  }

  bool by_request_;
  LogProfile profile_;
  bool has_rows_ = false;
  std::optional<std::string> last_;
  TimeValue last_time_;
  std::vector<uint64_t> hashes_;
  std::vector<CentralMoments> moments_;
};

Status check_spec(const ProfileSpec& spec) {
  if (spec.threads == 0) return {Code::kInvalidArgument, "ProfileSpec: threads must be at least 1"};
  if (spec.moment_inputs.size() != spec.moment_log1p.size()) {
    return {Code::kInvalidArgument, "ProfileSpec: moment_inputs and moment_log1p differ in length"};
  }
  if (spec.split_fraction >= 0 && !spec.request_input) {
    return {Code::kInvalidArgument, "ProfileSpec: a split by request needs request_input"};
  }
  return {};
}

}  // namespace

Result<LogProfile> profile_log(const ProfileSpec& spec, const std::function<bool()>& cancelled) {
  PRERANK_RETURN_IF_ERROR(check_spec(spec));
  PRERANK_ASSIGN_OR_RETURN(const std::unique_ptr<LogReader> log,
                           LogReader::open(spec.source, columns_read(spec), spec.memory_bytes / kDuckdbShare));
  const size_t parts = spec.source.parts.size();
  std::vector<PartFindings> findings(parts);
  std::atomic<size_t> next{0};
  std::atomic<bool> stopped{false};
  std::atomic<bool> hashes_complete{true};
  std::atomic<uint64_t> requests{0};
  const uint64_t most_hashes = spec.memory_bytes / kHashShare / sizeof(uint64_t);
  const auto profile_part = [&](const std::shared_ptr<duckdb::Connection>& connection, size_t part) -> Status {
    PartReader reader(*log, connection, part);
    PartProfiler profiler(spec);
    const auto read = reader.read([&](const RowSlice& slice) -> Result<bool> {
      if (stopped) return false;
      if (cancelled()) return Status(Code::kCancelled, "the ingest was cancelled");
      PRERANK_RETURN_IF_ERROR(profiler.add(slice, hashes_complete));
      if (requests + profiler.requests() > most_hashes) hashes_complete = false;
      return true;
    });
    if (!read.ok() || !read.value()) return read.status();
    findings[part] = profiler.finish();
    requests += findings[part].runs;
    return {};
  };
  const auto work = [&](size_t /*worker*/) -> Status {
    PRERANK_ASSIGN_OR_RETURN(const auto connection, log->connect());
    for (size_t part = next++; part < parts && !stopped; part = next++) {
      PRERANK_RETURN_IF_ERROR(profile_part(connection, part));
    }
    return {};
  };
  PRERANK_RETURN_IF_ERROR(run_workers(std::max<size_t>(1, std::min(spec.threads, parts)), work, [&] {
    stopped = true;
    log->interrupt();
  }));
  Merge merge(spec);
  for (PartFindings& part : findings) merge.add(std::move(part));
  return merge.finish(hashes_complete);
}

}  // namespace prerank
