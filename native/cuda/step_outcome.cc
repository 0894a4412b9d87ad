#include "cuda/step_outcome.h"

namespace prerank::cuda {
namespace {

size_t behind(size_t offset, size_t bytes) { return (offset + bytes + 63) / 64 * 64; }

}  // namespace

Result<StepOutcome> StepOutcome::create(size_t tasks, size_t pools, const TaskBalance* balance) {
  StepOutcome outcome;
  outcome.tasks_ = tasks;
  outcome.stats_ = behind(0, sizeof(StepResult));
  outcome.rows_ = behind(outcome.stats_, tasks * sizeof(TaskStats));
  outcome.balance_ = behind(outcome.rows_, pools * sizeof(HostRows));
  const size_t bytes = outcome.balance_ + (balance == nullptr ? 0 : balance->report_bytes());
  PRERANK_ASSIGN_OR_RETURN(outcome.memory_, PinnedBuffer::allocate(bytes, "a step's outcome"));
  return outcome;
}

Status StepOutcome::enqueue(cudaStream_t stream, const DeviceStep& step, std::span<const SlotPool> pools,
                            const TaskBalance* balance) const {
  const auto copy = [stream](void* to, const void* from, size_t bytes) {
    return status_of(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream), "cudaMemcpyAsync");
  };
  PRERANK_RETURN_IF_ERROR(copy(at<char>(0), step.result, sizeof(StepResult)));
  PRERANK_RETURN_IF_ERROR(copy(at<char>(stats_), step.stats, tasks_ * sizeof(TaskStats)));
  HostRows* rows = at<HostRows>(rows_);
  for (const SlotPool& pool : pools) PRERANK_RETURN_IF_ERROR(copy(rows++, &pool.state->counts, sizeof(HostRows)));
  return balance == nullptr ? Status() : balance->enqueue_report(stream, at<double>(balance_));
}

HostRows StepOutcome::host_rows(size_t pools) const {
  HostRows sum;
  for (const HostRows& of : std::span(at<HostRows>(rows_), pools)) sum += of;
  return sum;
}

}  // namespace prerank::cuda
