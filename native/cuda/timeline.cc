#include "cuda/timeline.h"

#include <utility>

namespace prerank::cuda {

size_t Timeline::add(OperationTime operation) {
  operations_.push_back(std::move(operation));
  return operations_.size() - 1;
}

Status Timeline::start() {
  for (size_t i = 0; i <= operations_.size(); ++i) {
    PRERANK_ASSIGN_OR_RETURN(Event event, make_timed_event());
    events_.push_back(std::move(event));
  }
  laps_.reserve(operations_.size());
  return {};
}

Status Timeline::begin(cudaStream_t stream) {
  laps_.clear();
  PRERANK_CUDA(cudaEventRecord(events_[0].get(), stream));
  return {};
}

Status Timeline::lap(size_t operation, cudaStream_t stream) {
  laps_.push_back(operation);
  PRERANK_CUDA(cudaEventRecord(events_[laps_.size()].get(), stream));
  return {};
}

Status Timeline::collect() {
  for (size_t i = 0; i < laps_.size(); ++i) {
    float milliseconds = 0;
    PRERANK_CUDA(cudaEventElapsedTime(&milliseconds, events_[i].get(), events_[i + 1].get()));
    operations_[laps_[i]].seconds += static_cast<double>(milliseconds) / 1000;
    operations_[laps_[i]].calls += 1;
  }
  laps_.clear();
  return {};
}

}  // namespace prerank::cuda
