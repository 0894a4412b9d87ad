// Where a program's time on the device goes, by operation: an event between every two.
#pragma once

#include <cstddef>
#include <vector>

#include "cuda/device.h"
#include "prerank/program.h"

namespace prerank::cuda {

class Timeline {
 public:
  // Before start(). Returns the operation's number; numbers ascend by 1 from 0.
  size_t add(OperationTime operation);
  // Makes the events.
  Status start();

  // Begins a step; every lap() after it ends the stretch of one operation, in the stream's order.
  Status begin(cudaStream_t stream);
  Status lap(size_t operation, cudaStream_t stream);
  // Adds the step's times. The stream must have passed its last lap.
  Status collect();

  const std::vector<OperationTime>& totals() const { return operations_; }

 private:
  std::vector<OperationTime> operations_;
  std::vector<Event> events_;
  std::vector<size_t> laps_;  // operations of the step under way, in order
};

}  // namespace prerank::cuda
