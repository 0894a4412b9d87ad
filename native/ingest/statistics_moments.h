// Moments up to the third of a stream of numbers: stable, and the same bits however the stream is cut into calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace prerank::ingest {

struct CentralMoments {
  uint64_t count = 0;
  double minimum = std::numeric_limits<double>::infinity();
  double maximum = -std::numeric_limits<double>::infinity();
  double mean = 0;
  double second = 0;  // Σ (x − mean)²
  double third = 0;   // Σ (x − mean)³

  static CentralMoments of(std::span<const double> values);
  // Adds the moments of later values (Pébay 2008, eq. 2.1 and 2.2 for pairs of sets).
  void merge(const CentralMoments& later);
};

// Takes groups of a fixed number of values, each in two passes, and merges them.
class MomentStream {
 public:
  // Where the next at most room() values may be written; added() counts them.
  double* next() { return values_.data() + filled_; }
  size_t room() const { return values_.size() - filled_; }
  void added(size_t count);
  void add(std::span<const double> values);

  // The moments since the last call.
  CentralMoments take();

 private:
  static constexpr size_t kGroup = 1024;

  std::vector<double> values_ = std::vector<double>(kGroup);
  size_t filled_ = 0;
  CentralMoments sum_;
};

}  // namespace prerank::ingest
