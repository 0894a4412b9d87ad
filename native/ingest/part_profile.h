// What one part tells about a log: its requests, the order of its times, moments of its numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ingest/request_split.h"
#include "ingest/row_block.h"
#include "ingest/statistics_moments.h"
#include "prerank/ingest.h"
#include "prerank/status.h"

namespace prerank::ingest {

using TimeValue = std::variant<std::monostate, int64_t, double, std::string>;  // nothing: no value

struct PartFindings {
  uint64_t rows = 0;
  // Requests. Rows whose request is null belong to the request before them.
  uint64_t leading_nulls = 0;  // rows before the first value
  uint64_t first_rows = 0;     // rows of the first value's request
  uint64_t runs = 0;           // requests that begin with a value
  std::optional<std::string> first, last;  // their values, as request_bytes()
  std::vector<uint64_t> hashes;            // of the requests, in order
  // Times.
  bool chronological = true;
  TimeValue first_time, last_time;
  std::vector<CentralMoments> moments;
};

// Looks at the rows of one part.
class PartProfiler {
 public:
  explicit PartProfiler(const ProfileSpec& spec);

  // Without `keep_hashes` the hashes of the requests are left out.
  Status add(const RowSlice& slice, bool keep_hashes);
  uint64_t requests() const { return findings_.runs; }  // so far
  PartFindings finish();

 private:
  Status add_requests(const RowSlice& slice, bool keep_hashes);
  Status add_times(const RowSlice& slice);
  Status add_numbers(const RowSlice& slice);
  void mark_split(const RowSlice& slice);

  const ProfileSpec& spec_;
  PartFindings findings_;
  RowSlice current_;  // a chunk and, in `from`, a row with the last request's value; none before the first value
  std::vector<uint32_t> starts_;
  RequestSplit split_;
  bool kept_ = true;             // the last request is on the split's side
  std::vector<uint8_t> in_split_;  // of each row of the slice; empty without a split
  std::vector<MomentStream> streams_;
  std::vector<double> values_;
};

}  // namespace prerank::ingest
