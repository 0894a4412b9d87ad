#include "cuda/program.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cpu/optimizers.h"
#include "cuda/batch_slot.h"
#include "cuda/dense_update.h"
#include "cuda/device_store.h"
#include "cuda/kernel.h"
#include "cuda/memory.h"
#include "cuda/padded_size.h"
#include "cuda/products.h"
#include "cuda/program_tensors.h"
#include "cuda/sparse_update.h"
#include "cuda/step_graphs.h"
#include "cuda/step_operations.h"
#include "cuda/step_outcome.h"
#include "cuda/task_balance.h"
#include "cuda/timeline.h"
#include "cuda/transform.h"
#include "cuda/tuning.h"
#include "cuda/upload.h"
#include "plan/plan_check.h"
#include "plan/pooled_gradients.h"
#include "plan/program_checks.h"

namespace prerank::cuda {
namespace {

constexpr size_t kSlots = 2;  // steps in flight: one works while the next one's batch travels

// What belongs to one place of the batch ring.
struct Slot {
  BatchSlot batch;
  std::vector<float*> base;  // per plan value
  std::optional<SparseUpdate> sparse;
  StepOutcome outcome;
  Event copied, started, done;
  StepGraphs graphs;
  BatchSize size;  // padded
};

class CudaProgram final : public Program {
 public:
  CudaProgram(Plan plan, std::shared_ptr<ParameterStore> store, const ProgramOptions& options)
      : plan_(std::move(plan)), store_(std::move(store)), options_(options), device_(store_->options().device.cuda) {}

  ~CudaProgram() override {
    (void)cudaSetDevice(device_);
    drain();
  }

  Status build() {
    PRERANK_RETURN_IF_ERROR(use_device(device_));
    PRERANK_RETURN_IF_ERROR(check_options(options_));
    PRERANK_RETURN_IF_ERROR(check_plan(plan_, *store_));
    limits_ = batch_limits(plan_, options_);
    PRERANK_ASSIGN_OR_RETURN(tensors_, DeviceStore::of(*store_));
    PRERANK_RETURN_IF_ERROR(open_products());
    PRERANK_ASSIGN_OR_RETURN(memory_, DeviceMemory::create(plan_, *store_, *tensors_, limits_));
    PRERANK_ASSIGN_OR_RETURN(copy_, make_stream());
    PRERANK_ASSIGN_OR_RETURN(compute_, make_stream());
    if (options_.profile) timeline_.emplace();
    PRERANK_RETURN_IF_ERROR(build_operations());
    if (training()) PRERANK_RETURN_IF_ERROR(build_update());
    for (Slot& slot : slots_) PRERANK_RETURN_IF_ERROR(build_slot(slot));
    // A program that predicts beside this one needs no more than this one.
    if (training() && store_->options().training) PRERANK_RETURN_IF_ERROR(tensors_->open_cache(bytes()));
    return timeline_ ? timeline_->start() : Status();
  }

  Status start(const Batch& batch, const StepOptions& options) override {
    if (!training()) return {Code::kInvalidArgument, "the plan has no tasks: it can predict, not train"};
    if (options.update && !store_->options().training) {
      return {Code::kInvalidArgument, "the parameter store has no optimizer state: create it for training"};
    }
    PRERANK_RETURN_IF_ERROR(check_batch(plan_, batch, limits_, true, false));
    if (started_ - finished_ == depth()) return {Code::kInternal, "a step was started before the oldest was finished"};
    PRERANK_CUDA(cudaSetDevice(device_));
    if (refused_ && started_ == finished_) {
      PRERANK_CUDA(cudaMemsetAsync(result_.as<void>(), 0, result_.bytes(), compute_.get()));
      refused_ = false;
    }
    const ParameterStore::Options& settings = store_->options();
    const StepNumbers numbers = {.seed = options_.seed,
                                 .step = options.step,
                                 .training = 1,
                                 .update = options.update ? 1u : 0u,
                                 .dense = cpu::dense_constants(settings.dense, options.step, options.dense_lr, 1),
                                 .sparse = cpu::sparse_constants(settings.sparse, options.step, options.sparse_lr, 1)};
    PRERANK_RETURN_IF_ERROR(launch_batch(slots_[started_ % kSlots], batch, numbers));
    ++started_;
    if (options.update) store_->changed();
    return {};
  }

  Status finish() override {
    if (started_ == finished_) return {Code::kInternal, "no step is under way"};
    Slot& slot = slots_[finished_++ % kSlots];
    PRERANK_RETURN_IF_ERROR(await(slot));
    const StepResult& result = slot.outcome.result();
    stats_.assign(slot.outcome.stats().begin(), slot.outcome.stats().end());
    gradient_norm_ = options_.clip_norm > 0 ? result.norm : 0;
    host_rows_ = slot.outcome.host_rows(cache_pools().size());
    if (balance_) balance_->report_of(slot.outcome.balance(), balance_report_);
    if (result.refused == 0) return {};
    refused_ = true;
    PRERANK_RETURN_IF_ERROR(check_losses(plan_, stats_));
    return {Code::kNonFinite, "the gradient norm is not finite"};
  }

  size_t depth() const override { return timeline_ ? 1 : kSlots; }

  Status predict(const Batch& batch) override {
    if (training()) return {Code::kInvalidArgument, "the plan has tasks: it can train, not predict"};
    PRERANK_RETURN_IF_ERROR(check_batch(plan_, batch, limits_, false, false));
    PRERANK_CUDA(cudaSetDevice(device_));
    Slot& slot = slots_[0];
    PRERANK_RETURN_IF_ERROR(launch_batch(slot, batch, {.seed = options_.seed}));
    return await(slot);
  }

  ProductTuning tuning() const override { return tuning_ ? tuning_->saved() : ProductTuning(); }
  Result<bool> use_tuning(const ProductTuning& tuning) override { return tuning_ ? tuning_->restore(tuning) : false; }

  const Plan& plan() const override { return plan_; }
  std::span<const TaskStats> stats() const override { return stats_; }
  const BalanceReport* balance() const override { return balance_ ? &balance_report_ : nullptr; }
  double gradient_norm() const override { return gradient_norm_; }
  HostRows host_rows() const override { return host_rows_; }
  // Without a timeline a step is one graph: all of it counts as tiles.
  PhaseTimes times() const override {
    if (!timeline_) return times_;
    PhaseTimes times;
    for (size_t i = 0; i < phases_.size(); ++i) times.*phases_[i] += timeline_->totals()[i].seconds;
    return times;
  }
  std::vector<OperationTime> operation_times() const override {
    return timeline_ ? timeline_->totals() : std::vector<OperationTime>();
  }
  size_t bytes() const override {
    size_t total = memory_.bytes() + products_bytes_ + operations_.bytes();
    for (const Slot& slot : slots_) total += slot.batch.bytes() + (slot.sparse ? slot.sparse->bytes() : 0);
    return total;
  }

  Status read_output(size_t output, std::span<float> out) const override {
    PRERANK_ASSIGN_OR_RETURN(const size_t index,
                             output_value(plan_, output, out.size(), {batch_.rows, batch_.requests}));
    const PlanValue& value = plan_.values[index];
    const auto width = static_cast<size_t>(value.width);
    if (out.empty()) return {};
    const size_t rows = out.size() / width;
    PRERANK_CUDA(cudaSetDevice(device_));
    const size_t stride = value.domain == Domain::kNone ? width : static_cast<size_t>(value.stride);
    std::vector<float> rows_with_gaps(stride == width ? 0 : (rows - 1) * stride + width);
    const std::span<float> target = rows_with_gaps.empty() ? out : std::span(rows_with_gaps);
    PRERANK_CUDA(cudaMemcpyAsync(target.data(), memory_.address(index), target.size_bytes(), cudaMemcpyDeviceToHost,
                                 compute_.get()));
    PRERANK_CUDA(cudaStreamSynchronize(compute_.get()));
    if (rows_with_gaps.empty()) return {};
    for (size_t r = 0; r < rows; ++r) std::copy_n(rows_with_gaps.data() + r * stride, width, out.data() + r * width);
    return {};
  }

 private:
  bool training() const { return !plan_.tasks.empty(); }

  Status open_products() {
    const Device& device = store_->options().device;
    if (device.autotune && training()) {
      PRERANK_ASSIGN_OR_RETURN(const CublasLt* const library, CublasLt::open());
      cudaDeviceProp properties;
      PRERANK_CUDA(cudaGetDeviceProperties(&properties, device_));
      const std::string version = std::to_string(library->get_version());
      tuning_ = std::make_shared<Tuning>("cuBLASLt " + version + " on " + static_cast<const char*>(properties.name));
    }
    PRERANK_ASSIGN_OR_RETURN(products_, Products::create(device.matmul, tuning_));
    return {};
  }

  Status build_operations() {
    products_bytes_ = products_->bytes();
    std::shared_ptr<const Products> beside = products_;
    if (training()) {
      PRERANK_ASSIGN_OR_RETURN(beside, Products::create(store_->options().device.matmul, tuning_));
      products_bytes_ += beside->bytes();
    }
    PRERANK_ASSIGN_OR_RETURN(const std::vector<TableView> tables, looked_up_tables(plan_, *store_, *tensors_));
    PRERANK_ASSIGN_OR_RETURN(const std::vector<const CachedTable*> cached, cached_tables(plan_, *store_, *tensors_));
    PRERANK_ASSIGN_OR_RETURN(operations_,
                             StepOperations::create(plan_, tables, cached, limits_, products_, beside));
    for (const PlanSegment& segment : plan_.segments) {
      for (const PlanOp& op : segment.ops) {
        add_operation({.kind = op.kind, .layer = op.layer, .backward = op.backward}, phase_of(segment));
      }
    }
    return {};
  }

  static double PhaseTimes::*phase_of(const PlanSegment& segment) {
    if (segment.phase == Phase::kPrologue) return &PhaseTimes::prologue;
    return segment.phase == Phase::kReduced ? &PhaseTimes::reduce : &PhaseTimes::tiles;
  }

  size_t add_operation(OperationTime operation, double PhaseTimes::*phase) {
    if (!timeline_) return 0;
    phases_.push_back(phase);
    return timeline_->add(std::move(operation));
  }

  Status build_update() {
    const ParameterStore::Options& settings = store_->options();
    PRERANK_ASSIGN_OR_RETURN(const std::vector<DenseTarget> dense, dense_targets(plan_, *store_, *tensors_, memory_));
    PRERANK_ASSIGN_OR_RETURN(dense_update_, DenseUpdate::create(settings.dense, dense));
    PRERANK_ASSIGN_OR_RETURN(transform_, GradientTransform::create(dense, plan_.tasks.size(), options_.clip_norm,
                                                                   options_.clip_scope));
    PRERANK_ASSIGN_OR_RETURN(result_, DeviceBuffer::allocate(sizeof(StepResult), "a step's result"));
    PRERANK_CUDA(cudaMemsetAsync(result_.as<void>(), 0, result_.bytes(), compute_.get()));
    const size_t stats_bytes = plan_.tasks.size() * sizeof(TaskStats);
    PRERANK_ASSIGN_OR_RETURN(task_stats_, DeviceBuffer::allocate(stats_bytes, "the tasks' sums"));
    const std::vector<TaskStats> fresh(plan_.tasks.size());
    PRERANK_ASSIGN_OR_RETURN(fresh_stats_, upload_array(std::span<const TaskStats>(fresh), "the tasks' sums"));
    PRERANK_ASSIGN_OR_RETURN(sparse_norm_, DeviceBuffer::allocate(sizeof(double), "the tables' gradient norm"));
    if (plan_.balancing) {
      PRERANK_ASSIGN_OR_RETURN(balance_, TaskBalance::create(plan_, *store_, *tensors_, memory_));
    }
    if (timeline_) {
      cache_operation_ = add_operation({.kind = "rows.cache", .layer = "tables"}, &PhaseTimes::tiles);
      clear_operation_ = add_operation({.kind = "accumulators.clear", .layer = "gradients"}, &PhaseTimes::tiles);
      if (balance_) {
        balance_operation_ = add_operation({.kind = "gradients.balance", .layer = "tasks"}, &PhaseTimes::transform);
      }
      norm_operation_ = add_operation({.kind = "gradient.norm", .layer = "gradients"}, &PhaseTimes::transform);
      dense_operation_ = add_operation({.kind = "update.dense", .layer = "parameters"}, &PhaseTimes::update);
      sparse_operation_ = add_operation({.kind = "update.sparse", .layer = "tables"}, &PhaseTimes::update);
    }
    return {};
  }

  Status build_slot(Slot& slot) {
    PRERANK_ASSIGN_OR_RETURN(slot.batch, BatchSlot::create(plan_, limits_));
    PRERANK_ASSIGN_OR_RETURN(slot.copied, make_event());
    PRERANK_ASSIGN_OR_RETURN(slot.started, make_timed_event());
    PRERANK_ASSIGN_OR_RETURN(slot.done, make_timed_event());
    slot.base.assign(memory_.base().begin(), memory_.base().end());
    for (size_t i = 0; i < plan_.values.size(); ++i) {
      const PlanValue& value = plan_.values[i];
      if (value.storage == Storage::kInput) {
        slot.base[i] = slot.batch.dense(static_cast<size_t>(value.binding)) + value.column;
      }
    }
    if (!training()) return {};
    // A parameter has rows in one pool at most.
    PRERANK_ASSIGN_OR_RETURN(slot.outcome, StepOutcome::create(plan_.tasks.size(), store_->options().parameters.size(),
                                                               balance_ ? &*balance_ : nullptr));
    if (plan_.sparse_gradients.empty()) return {};
    PRERANK_ASSIGN_OR_RETURN(const std::vector<DeviceTable> tables, updated_tables(plan_, *store_, *tensors_));
    const auto pooled = pooled_gradients(plan_, [this](size_t value) { return memory_.address(value); });
    PRERANK_ASSIGN_OR_RETURN(slot.sparse, SparseUpdate::create(plan_, tables, store_->options().sparse, pooled,
                                                               limits_.rows, limits_.requests, tensors_->cache()));
    return {};
  }

  // Copies the batch and launches the step; the slot's earlier work is done. After an error nothing is under way.
  Status launch_batch(Slot& slot, const Batch& batch, const StepNumbers& numbers) {
    const Status launched = copy_and_launch(slot, batch, numbers);
    // The part that was launched still reads the slot's memory, which the next batch overwrites or replaces.
    if (!launched.ok()) drain();
    return launched;
  }

  // Waits until nothing is under way.
  void drain() {
    for (const Stream* stream : {&copy_, &compute_}) {
      if (*stream) (void)cudaStreamSynchronize(stream->get());
    }
  }

  Status copy_and_launch(Slot& slot, const Batch& batch, const StepNumbers& numbers) {
    batch_ = {batch.rows, limits_.request_domain ? batch.requests : 0};
    slot.size = padded_size(batch_, limits_);
    PRERANK_RETURN_IF_ERROR(slot.batch.fill(batch, slot.size, numbers));
    PRERANK_RETURN_IF_ERROR(slot.batch.enqueue_copy(copy_.get()));
    if (slot.sparse) {
      PRERANK_RETURN_IF_ERROR(slot.sparse->index(copy_.get(), slot.batch.batch(), slot.batch.id_counts(), batch_.rows,
                                                 batch_.requests));
    }
    PRERANK_CUDA(cudaEventRecord(slot.copied.get(), copy_.get()));
    PRERANK_CUDA(cudaStreamWaitEvent(compute_.get(), slot.copied.get(), 0));
    PRERANK_CUDA(cudaEventRecord(slot.started.get(), compute_.get()));
    // Whole batches come first, and again and again. The first step of a size is launched without a graph.
    if (tuning_) tuning_->allow(slot.size.rows == limits_.rows);
    if (timeline_) {
      PRERANK_RETURN_IF_ERROR(timeline_->begin(compute_.get()));
      PRERANK_RETURN_IF_ERROR(enqueue_step(slot));
    } else {
      const uint64_t generation = slot.sparse ? slot.sparse->generation() : 0;
      const auto enqueue = [&] { return enqueue_step(slot); };
      PRERANK_RETURN_IF_ERROR(slot.graphs.run(slot.size, generation, compute_.get(), enqueue));
    }
    PRERANK_CUDA(cudaEventRecord(slot.done.get(), compute_.get()));
    return {};
  }

  Status await(Slot& slot) {
    PRERANK_CUDA(cudaSetDevice(device_));
    PRERANK_CUDA(cudaEventSynchronize(slot.done.get()));
    if (timeline_) return timeline_->collect();
    float milliseconds = 0;
    PRERANK_CUDA(cudaEventElapsedTime(&milliseconds, slot.started.get(), slot.done.get()));
    times_.tiles += static_cast<double>(milliseconds) / 1000;
    return {};
  }

  DeviceContext context(const Slot& slot) const {
    DeviceContext result;
    result.seed = options_.seed;
    result.training = training();
    result.base = slot.base;
    result.stream = compute_.get();
    result.input = slot.batch.batch();
    result.device = step_state(slot);
    result.batch_rows = slot.size.rows;
    result.batch_requests = slot.size.requests;
    return result;
  }

  DeviceStep step_state(const Slot& slot) const {
    return {slot.batch.numbers(), task_stats_.as<TaskStats>(), balance_ ? balance_->task_scale() : nullptr,
            result_.as<StepResult>()};
  }

  Status lap(size_t operation) { return timeline_ ? timeline_->lap(operation, compute_.get()) : Status(); }

  // Every launch of a step, or of a prediction, in order.
  Status enqueue_step(Slot& slot) {
    if (training()) {
      // A memset of nothing cannot be captured.
      if (const size_t bytes = memory_.accumulator_floats() * sizeof(float); bytes > 0) {
        PRERANK_CUDA(cudaMemsetAsync(memory_.accumulators(), 0, bytes, compute_.get()));
      }
      PRERANK_CUDA(cudaMemcpyAsync(task_stats_.as<void>(), fresh_stats_.as<void>(), task_stats_.bytes(),
                                   cudaMemcpyDeviceToDevice, compute_.get()));
      if (balance_) PRERANK_RETURN_IF_ERROR(balance_->enqueue_scales(compute_.get()));
      PRERANK_RETURN_IF_ERROR(lap(clear_operation_));
      if (slot.sparse) PRERANK_RETURN_IF_ERROR(slot.sparse->enqueue_cache(compute_.get()));
      PRERANK_RETURN_IF_ERROR(lap(cache_operation_));
    }
    PRERANK_RETURN_IF_ERROR(operations_.enqueue(context(slot), timeline_ ? &*timeline_ : nullptr));
    return training() ? enqueue_update(slot) : Status();
  }

  Status enqueue_update(Slot& slot) {
    const cudaStream_t stream = compute_.get();
    const DeviceStep step = step_state(slot);
    const DeviceBatch batch = slot.batch.batch();
    if (balance_) {
      PRERANK_RETURN_IF_ERROR(balance_->enqueue_combination(stream, step, batch, slot.size));
      PRERANK_RETURN_IF_ERROR(lap(balance_operation_));
    }
    const bool whole_norm = slot.sparse && options_.clip_norm > 0 && options_.clip_scope == ClipScope::kAll;
    if (whole_norm) PRERANK_RETURN_IF_ERROR(slot.sparse->enqueue_norm(stream, sparse_norm_.as<double>()));
    PRERANK_RETURN_IF_ERROR(transform_->enqueue(stream, step, whole_norm ? sparse_norm_.as<double>() : nullptr));
    PRERANK_RETURN_IF_ERROR(lap(norm_operation_));
    PRERANK_RETURN_IF_ERROR(dense_update_->enqueue(stream, step));
    if (balance_) PRERANK_RETURN_IF_ERROR(balance_->enqueue_update(stream, step, batch));
    PRERANK_RETURN_IF_ERROR(lap(dense_operation_));
    if (slot.sparse) PRERANK_RETURN_IF_ERROR(slot.sparse->enqueue_update(stream, step));
    PRERANK_RETURN_IF_ERROR(lap(sparse_operation_));
    return slot.outcome.enqueue(stream, step, cache_pools(), balance_ ? &*balance_ : nullptr);
  }

  std::span<const SlotPool> cache_pools() const {
    return tensors_->cache() == nullptr ? std::span<const SlotPool>() : tensors_->cache()->pools();
  }

  const Plan plan_;
  const std::shared_ptr<ParameterStore> store_;
  const ProgramOptions options_;
  const int device_;
  BatchLimits limits_;
  std::shared_ptr<DeviceStore> tensors_;
  std::shared_ptr<Tuning> tuning_;  // null: algorithms are the heuristic's
  std::shared_ptr<const Products> products_;
  size_t products_bytes_ = 0;
  DeviceMemory memory_;
  Stream copy_, compute_;
  StepOperations operations_;
  std::array<Slot, kSlots> slots_;
  std::optional<DenseUpdate> dense_update_;
  std::optional<GradientTransform> transform_;
  std::optional<TaskBalance> balance_;
  BalanceReport balance_report_;
  DeviceBuffer result_, task_stats_, fresh_stats_, sparse_norm_;
  std::optional<Timeline> timeline_;
  std::vector<double PhaseTimes::*> phases_;  // of the timeline's operations
  size_t cache_operation_ = 0, clear_operation_ = 0, balance_operation_ = 0, norm_operation_ = 0, dense_operation_ = 0,
         sparse_operation_ = 0;
  PhaseTimes times_;
  std::vector<TaskStats> stats_;
  uint64_t started_ = 0, finished_ = 0;
  bool refused_ = false;  // the device refuses every step until it is told otherwise
  BatchSize batch_;  // the last one's own
  double gradient_norm_ = 0;
  HostRows host_rows_;
};

}  // namespace

Result<std::unique_ptr<Program>> create_program(Plan plan, std::shared_ptr<ParameterStore> store,
                                                const ProgramOptions& options) {
  if (store == nullptr) return Status(Code::kInvalidArgument, "a program needs a parameter store");
  auto program = std::make_unique<CudaProgram>(std::move(plan), std::move(store), options);
  PRERANK_RETURN_IF_ERROR(program->build());
  return std::unique_ptr<Program>(std::move(program));
}

}  // namespace prerank::cuda
