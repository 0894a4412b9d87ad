// What the features' values look like, part by part, merged in the order of the log.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ingest/batch_encoder.h"
#include "ingest/statistics_moments.h"

namespace prerank::ingest {

struct NumberStatistics {
  uint64_t nulls = 0;
  CentralMoments moments;
  bool constant = true;  // in all rows of every request

  void merge(const NumberStatistics& later);
};

struct IdStatistics {
  uint64_t nulls = 0;
  uint64_t ids = 0;
  uint64_t empty = 0;
  uint64_t longest = 0;
  uint64_t out_of_vocabulary = 0;
  bool constant = true;

  void merge(const IdStatistics& later);
};

class LogStatistics : public FeatureStatistics {
 public:
  void merge(const FeatureStatistics& later) override;

  uint64_t rows = 0;
  uint64_t requests = 0;
  std::vector<NumberStatistics> dense;
  std::vector<IdStatistics> ids;
};

// Whether each row that continues a request has the value of the row before.
template <class T>
bool same_in_requests(const T* values, std::span<const uint8_t> continues) {
  int differs = 0;
  for (size_t i = 1; i < continues.size(); ++i) differs |= (values[i] != values[i - 1]) & continues[i];
  return differs == 0;
}

}  // namespace prerank::ingest
