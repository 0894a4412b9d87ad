#include "plan/program_segments.h"

#include <algorithm>
#include <utility>

#include "base/thread_pool.h"

namespace prerank {

Result<ProgramSegments> ProgramSegments::create(const Plan& plan, std::span<const TableView> tables,
                                                ProgramMemory& memory, size_t workers, size_t rows, OperationTimes* profile,
                                                bool bfloat16_products) {
  ProgramSegments result;
  result.plan_ = &plan;
  result.memory_ = &memory;
  result.profile_ = profile;
  result.workers_ = workers;
  size_t operations = 0;
  for (const PlanSegment& planned : plan.segments) {
    Segment& segment = result.segments_.emplace_back();
    segment.domain = planned.domain;
    segment.phase = planned.phase;
    segment.first_operation = operations;
    operations += planned.ops.size();
    for (const PlanOp& op : planned.ops) {
      const KernelBuild build = {&plan, &op, planned.domain, tables, workers, rows, bfloat16_products};
      PRERANK_ASSIGN_OR_RETURN(std::unique_ptr<Kernel> kernel, make_cpu_kernel(build));
      segment.kernels.push_back(std::move(kernel));
      if (profile != nullptr) profile->add({.kind = op.kind, .layer = op.layer, .backward = op.backward});
    }
    result.place_values(planned, segment);
  }
  PRERANK_RETURN_IF_ERROR(result.allocate_scratch());
  return result;
}

Status ProgramSegments::allocate_scratch() {
  size_t floats = 0;
  for (const Segment& segment : segments_) {
    for (const auto& kernel : segment.kernels) floats = std::max(floats, kernel->scratch());
  }
  for (size_t worker = 0; worker < workers_; ++worker) {
    PRERANK_ASSIGN_OR_RETURN(AlignedBuffer buffer, AlignedBuffer::floats(floats));
    scratch_.push_back(std::move(buffer));
  }
  return {};
}

// Which addresses of whole-batch values the segment's tiles must set.
void ProgramSegments::place_values(const PlanSegment& planned, Segment& segment) const {
  std::vector<bool> used(plan_->values.size(), false);
  for (const PlanOp& op : planned.ops) {
    for (const int32_t value : op.inputs) used[static_cast<size_t>(value)] = true;
    for (const int32_t value : op.outputs) used[static_cast<size_t>(value)] = true;
  }
  for (size_t i = 0; i < used.size(); ++i) {
    const PlanValue& value = plan_->values[i];
    if (!used[i] || (value.storage != Storage::kFull && value.storage != Storage::kInput)) continue;
    (value.domain == planned.domain ? segment.moving : segment.whole).push_back(i);
  }
}

bool ProgramSegments::has_prologue() const {
  return std::ranges::any_of(segments_, [](const Segment& segment) { return segment.phase == Phase::kPrologue; });
}

void ProgramSegments::prepare(const TileContext& context) const {
  for (const Segment& segment : segments_) {
    if (segment.phase != Phase::kTiles) continue;
    for (const auto& kernel : segment.kernels) kernel->prepare(context);
  }
}

void ProgramSegments::run_once(Phase phase, TileContext context) const {
  context.rows = 1;
  for (const Segment& segment : segments_) {
    if (segment.phase == phase) run_kernels(segment, context);
  }
}

void ProgramSegments::run_tiles(size_t index, size_t rows, TileContext context) const {
  const Segment& segment = segments_[index];
  const auto tile_rows = static_cast<size_t>(plan_->tile_rows);
  const Share share = share_of((rows + tile_rows - 1) / tile_rows, context.worker, workers_);
  const std::span<float*> base = memory_->base(context.worker);
  for (const size_t i : segment.whole) base[i] = memory_->row_address(plan_->values[i], i, 0);
  for (size_t t = share.begin; t < share.end; ++t) {
    context.first_row = t * tile_rows;
    context.rows = std::min(tile_rows, rows - context.first_row);
    for (const size_t i : segment.moving) base[i] = memory_->row_address(plan_->values[i], i, context.first_row);
    run_kernels(segment, context);
  }
}

void ProgramSegments::run_batch(size_t index, size_t rows, TileContext context) const {
  const Segment& segment = segments_[index];
  const std::span<float*> base = memory_->base(context.worker);
  for (const size_t i : segment.moving) base[i] = memory_->row_address(plan_->values[i], i, 0);
  context.first_row = 0;
  context.rows = rows;
  run_kernels(segment, context);
}

void ProgramSegments::run_kernels(const Segment& segment, TileContext context) const {
  context.scratch = scratch_[context.worker].as<float>().data();
  OperationTimes::Watch profile(profile_, context.worker);
  size_t operation = segment.first_operation;
  for (const auto& kernel : segment.kernels) {
    kernel->run(context);
    profile.lap(operation++);
  }
}

}  // namespace prerank
