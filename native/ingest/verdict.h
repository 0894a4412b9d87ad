// What becomes of each row of a block: kept, rejected with a reason, dropped by a null policy, left out by sampling, or
// left out as a duplicate. The first judgement of a row counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace prerank::ingest {

struct Rejection {
  size_t row = 0;  // of the block
  std::string column, value, reason;
};

class Verdict {
 public:
  // Starts a block in which every row is kept.
  void reset(size_t rows);

  size_t rows() const { return fates_.size(); }
  bool kept(size_t row) const { return fates_[row] == Fate::kKept; }
  bool is_dropped_duplicate(size_t row) const { return fates_[row] == Fate::kDuplicate; }
  bool all_kept() const { return kept_ == fates_.size(); }
  size_t kept_rows() const { return kept_; }

  // Each leaves a row alone that is not kept any more.
  void reject(size_t row, std::string_view column, std::string value, std::string reason);
  void drop(size_t row);            // a null policy says so
  void sample_out(size_t row);      // not drawn, or on the other side of a split
  void drop_duplicate(size_t row);  // not the first of its request and ad

  size_t dropped() const { return dropped_; }
  size_t sampled_out() const { return sampled_out_; }
  const std::vector<Rejection>& rejections() const { return rejections_; }

 private:
  enum class Fate : uint8_t { kKept, kLost, kDuplicate };
  bool lose(size_t row, Fate fate = Fate::kLost);

  std::vector<Fate> fates_;
  std::vector<Rejection> rejections_;
  size_t kept_ = 0;
  size_t dropped_ = 0;
  size_t sampled_out_ = 0;
};

}  // namespace prerank::ingest
