// AUC and expected calibration error from blocks of rows with one prediction, in ascending order of it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace prerank {

// Rows with one prediction (or, binned, with predictions of one bin).
struct ScoreBlock {
  double weight = 0;      // sum of w
  double positive = 0;    // sum of w * y
  double negative = 0;    // sum of w * (1 - y)
  double prediction = 0;  // sum of w * p
};

class AucSum {
 public:
  void add(const ScoreBlock& block) {
    pairs_ += block.positive * (negative_ + 0.5 * block.negative);
    tied_ += 0.5 * block.positive * block.negative;
    positive_ += block.positive;
    negative_ += block.negative;
  }
  bool defined() const { return positive_ > 0 && negative_ > 0; }
  double value() const {
    return defined() ? pairs_ / (positive_ * negative_) : std::numeric_limits<double>::quiet_NaN();
  }
  // Share of pairs inside blocks, halved: how far the value is off at most when a block's predictions differ.
  double tied_share() const { return defined() ? tied_ / (positive_ * negative_) : 0; }

 private:
  double pairs_ = 0, tied_ = 0, positive_ = 0, negative_ = 0;
};

// Bins of equal mass; a block stays in the bin that its first row falls into.
class CalibrationError {
 public:
  CalibrationError(size_t bins, double total) : gaps_(bins), total_(total) {}

  void add(const ScoreBlock& block) {
    const auto bins = static_cast<double>(gaps_.size());
    const auto bin = static_cast<size_t>(std::min(bins - 1, std::floor(below_ / total_ * bins + 1e-9)));
    gaps_[bin] += block.prediction - block.positive;
    below_ += block.weight;
  }
  double value() const {
    double sum = 0;
    for (const double gap : gaps_) sum += std::abs(gap);
    return total_ > 0 ? sum / total_ : std::numeric_limits<double>::quiet_NaN();
  }

 private:
  std::vector<double> gaps_;
  double total_;
  double below_ = 0;
};

}  // namespace prerank
