#include "cuda/step_operations.h"

#include <algorithm>
#include <utility>

namespace prerank::cuda {
namespace {

// Whether two values have memory in common.
bool overlap(const Plan& plan, int32_t a, int32_t b) {
  const auto root = [&plan](int32_t value) { return plan.values[static_cast<size_t>(value)].root; };
  if (root(a) == root(b)) return true;
  const PlanValue& x = plan.values[static_cast<size_t>(root(a))];
  const PlanValue& y = plan.values[static_cast<size_t>(root(b))];
  if (x.storage != Storage::kTile || y.storage != Storage::kTile) return false;
  return x.offset < y.offset + y.stride && y.offset < x.offset + x.stride;
}

// Whether a layer's two gradients can be made at once: the second must not be written where the first still reads.
bool independent(const Plan& plan, const PlanOp& first, const PlanOp& second) {
  if (first.kind != "linear.dw" || second.kind != "linear.dx" || first.inputs.size() != 2) return false;
  if (second.inputs.empty() || second.outputs.size() != 1 || first.inputs[0] != second.inputs[0]) return false;
  return std::ranges::none_of(first.inputs, [&](int32_t input) { return overlap(plan, input, second.outputs[0]); });
}

}  // namespace

Result<StepOperations> StepOperations::create(const Plan& plan, const std::vector<TableView>& tables,
                                              const std::vector<const CachedTable*>& cached,
                                              const BatchLimits& limits, std::shared_ptr<const Products> products,
                                              std::shared_ptr<const Products> beside) {
  StepOperations operations;
  PRERANK_ASSIGN_OR_RETURN(operations.links_, LinearLinks::create(plan, limits));
  PRERANK_ASSIGN_OR_RETURN(operations.beside_, make_stream());
  PRERANK_ASSIGN_OR_RETURN(operations.forked_, make_event());
  PRERANK_ASSIGN_OR_RETURN(operations.joined_, make_event());
  for (const PlanSegment& planned : plan.segments) {
    Segment& segment = operations.segments_.emplace_back();
    segment.domain = planned.domain;
    for (size_t i = 0; i < planned.ops.size(); ++i) {
      Prepared prepared;
      prepared.beside_next = i + 1 < planned.ops.size() && independent(plan, planned.ops[i], planned.ops[i + 1]);
      DeviceBuild build;
      build.plan = &plan;
      build.op = &planned.ops[i];
      build.segment_domain = planned.domain;
      build.tables = tables;
      build.cached = cached;
      build.rows = limits.rows;
      build.requests = limits.requests;
      build.products = prepared.beside_next ? beside : products;
      build.links = operations.links_;
      PRERANK_ASSIGN_OR_RETURN(prepared.kernel, make_cuda_kernel(build));
      segment.operations.push_back(std::move(prepared));
    }
  }
  return operations;
}

// Joined after errors, too: who waits for the step's stream waits for all of it.
Status StepOperations::enqueue_beside(const DeviceContext& context, const DeviceKernel& first,
                                      const DeviceKernel& second) const {
  DeviceContext beside = context;
  beside.stream = beside_.get();
  PRERANK_CUDA(cudaEventRecord(forked_.get(), context.stream));
  PRERANK_CUDA(cudaStreamWaitEvent(beside.stream, forked_.get(), 0));
  Status launched = first.enqueue(beside);
  if (launched.ok()) launched = second.enqueue(context);
  PRERANK_CUDA(cudaEventRecord(joined_.get(), beside.stream));
  PRERANK_CUDA(cudaStreamWaitEvent(context.stream, joined_.get(), 0));
  return launched;
}

Status StepOperations::enqueue(DeviceContext context, Timeline* timeline) const {
  size_t operation = 0;
  for (const Segment& segment : segments_) {
    context.rows = segment.domain == Domain::kNone      ? 1
                   : segment.domain == Domain::kRequest ? context.batch_requests
                                                        : context.batch_rows;
    for (size_t i = 0; i < segment.operations.size(); ++i) {
      const Prepared& prepared = segment.operations[i];
      if (prepared.beside_next && timeline == nullptr) {
        PRERANK_RETURN_IF_ERROR(enqueue_beside(context, *prepared.kernel, *segment.operations[++i].kernel));
        continue;
      }
      PRERANK_RETURN_IF_ERROR(prepared.kernel->enqueue(context));
      if (timeline != nullptr) PRERANK_RETURN_IF_ERROR(timeline->lap(operation++, context.stream));
    }
  }
  return {};
}

}  // namespace prerank::cuda
