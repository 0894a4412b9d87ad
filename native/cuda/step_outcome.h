// What the host learns of a training step: copied from the device behind the step's other work, read when it is done.
#pragma once

#include <cstddef>
#include <span>

#include "cuda/cached_rows.h"
#include "cuda/device.h"
#include "cuda/kernel.h"
#include "cuda/task_balance.h"
#include "prerank/program.h"

namespace prerank::cuda {

class StepOutcome {
 public:
  // Of so many tasks, and of at most `pools` pools of cached rows; with the report of `balance`, unless that is null.
  static Result<StepOutcome> create(size_t tasks, size_t pools, const TaskBalance* balance);

  StepOutcome() = default;

  // Copies everything on the stream. `pools` and `balance` as in create(). Can be captured.
  Status enqueue(cudaStream_t stream, const DeviceStep& step, std::span<const SlotPool> pools,
                 const TaskBalance* balance) const;

  const StepResult& result() const { return *memory_.as<StepResult>(); }
  std::span<const TaskStats> stats() const { return {at<TaskStats>(stats_), tasks_}; }
  // Sums over the first `pools` pools.
  HostRows host_rows(size_t pools) const;
  // For TaskBalance::report_of.
  const double* balance() const { return at<double>(balance_); }

 private:
  template <class T>
  T* at(size_t offset) const {
    return reinterpret_cast<T*>(memory_.as<char>() + offset);
  }

  PinnedBuffer memory_;
  size_t tasks_ = 0;
  size_t stats_ = 0, rows_ = 0, balance_ = 0;  // where they begin; the result is first
};

}  // namespace prerank::cuda
