// Where a program's time goes, by operation. A program that does not profile has none of this: it pays a null check for
// each stretch of work and reads no clock.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "prerank/program.h"

namespace prerank {

// Every worker adds to counters of its own; totals are their sums, so two busy workers spend two seconds a second.
class OperationTimes {
 private:
  struct Counter {
    double seconds = 0;
    uint64_t calls = 0;
  };

 public:
  // Before start(). Returns the operation's number; numbers ascend by 1 from 0.
  size_t add(OperationTime operation);
  void start(size_t workers);
  std::vector<OperationTime> totals() const;

  // Splits a stretch of one worker's work into operations.
  class Watch {
   public:
    // Starts the first lap. A null `times` measures nothing.
    Watch(OperationTimes* times, size_t worker)
        : counters_(times == nullptr ? nullptr : times->counters_[worker].data()) {
      if (counters_ != nullptr) last_ = Clock::now();
    }
    // The time since the lap before was the operation's.
    void lap(size_t operation) {
      if (counters_ == nullptr) return;
      const Clock::time_point now = Clock::now();
      counters_[operation].seconds += std::chrono::duration<double>(now - last_).count();
      counters_[operation].calls += 1;
      last_ = now;
    }

   private:
    using Clock = std::chrono::steady_clock;
    Counter* counters_;
    Clock::time_point last_;
  };

 private:
  std::vector<OperationTime> operations_;
  std::vector<std::vector<Counter>> counters_;  // per worker, per operation
};

}  // namespace prerank
