// Sums that carry their rounding error along (Neumaier), so that millions of rows lose nothing.
#pragma once

#include <cmath>

namespace prerank {

class ExactSum {
 public:
  void add(double x) {
    const double next = sum_ + x;
    lost_ += std::abs(sum_) >= std::abs(x) ? sum_ - next + x : x - next + sum_;
    sum_ = next;
  }
  void add(const ExactSum& other) {
    add(other.sum_);
    add(other.lost_);
  }
  double value() const { return sum_ + lost_; }

 private:
  double sum_ = 0, lost_ = 0;
};

}  // namespace prerank
