// What the encoded parts come to, put together in the order of the log.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "ingest/batch_encoder.h"
#include "ingest/part_writer.h"
#include "prerank/status.h"

namespace prerank::ingest {

// A file whose place among the files is known.
struct NumberedPart {
  WrittenPart written;
  size_t worker = 0;           // who encoded it
  size_t number = 0;           // among the parts that have rows
  uint64_t first_request = 0;  // code of its first request
};

// All methods: any thread.
class PartResults {
 public:
  // `empty`: statistics of no rows. `first_request`: code of the first request.
  PartResults(std::unique_ptr<FeatureStatistics> empty, uint64_t first_request)
      : next_request_(first_request), statistics_(std::move(empty)) {}

  // Takes an encoded part; returns the files, in order, that have their place now.
  std::vector<NumberedPart> complete(size_t part, size_t worker, WrittenPart written);

  // When all parts are complete.
  const PartCounts& counts() const { return counts_; }
  const FeatureStatistics& statistics() const { return *statistics_; }
  size_t files() const { return files_; }

 private:
  struct Waiting {
    WrittenPart written;
    size_t worker;
  };

  std::mutex mutex_;
  std::map<size_t, Waiting> waiting_;  // parts that come after one that is not complete
  size_t next_ = 0;
  size_t files_ = 0;
  uint64_t next_request_;
  PartCounts counts_;
  std::unique_ptr<FeatureStatistics> statistics_;
};

}  // namespace prerank::ingest
