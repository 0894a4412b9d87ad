#include "prerank/program.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "base/thread_pool.h"
#include "cpu/optimizers.h"
#include "plan/batch_check.h"
#include "plan/batch_slots.h"
#include "plan/operation_times.h"
#include "plan/plan_check.h"
#include "plan/program_balance.h"
#include "plan/program_checks.h"
#include "plan/program_memory.h"
#include "plan/program_segments.h"
#include "plan/program_update.h"

namespace prerank {
namespace {

constexpr size_t kReduceLine = 16;            // floats: workers reduce whole cache lines

// Adds the time since its construction.
class Stopwatch {
 public:
  explicit Stopwatch(double& total) : total_(total) {}
  ~Stopwatch() { total_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& total_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

class CpuProgram final : public Program {
 public:
  CpuProgram(Plan plan, std::shared_ptr<ParameterStore> store, ProgramOptions options)
      : plan_(std::move(plan)), store_(std::move(store)), options_(options) {}

  Status build() {
    PRERANK_RETURN_IF_ERROR(check_options(options_));
    PRERANK_RETURN_IF_ERROR(check_plan(plan_, *store_));
    limits_ = batch_limits(plan_, options_);
    PRERANK_ASSIGN_OR_RETURN(pool_, ThreadPool::create(options_.threads));
    PRERANK_ASSIGN_OR_RETURN(memory_, ProgramMemory::create(plan_, *store_,
                                                            {options_.threads, limits_.rows, limits_.requests}));
    if (options_.profile) profile_ = std::make_unique<OperationTimes>();
    PRERANK_ASSIGN_OR_RETURN(slots_, BatchSlots::create(plan_, *store_));
    PRERANK_ASSIGN_OR_RETURN(const std::vector<TableView> tables, find_tables());
    PRERANK_ASSIGN_OR_RETURN(
        segments_, ProgramSegments::create(plan_, tables, memory_, options_.threads, limits_.rows, profile_.get(),
                                           store_->options().device.matmul == MatmulPrecision::kBfloat16));
    if (profile_ != nullptr) {
      touch_operation_ = profile_->add({.kind = "tables.touch", .layer = "tables"});
      clear_operation_ = profile_->add({.kind = "accumulators.clear", .layer = "gradients"});
      prepare_operation_ = profile_->add({.kind = "weights.pack", .layer = "parameters"});
      reduce_operation_ = profile_->add({.kind = "accumulators.reduce", .layer = "gradients"});
    }
    if (plan_.balancing) {
      PRERANK_ASSIGN_OR_RETURN(
          balance_, ProgramBalance::create(plan_, *store_, memory_, *pool_, options_.seed, profile_.get()));
    }
    PRERANK_ASSIGN_OR_RETURN(update_, ProgramUpdate::create(plan_, *store_, memory_, *pool_, options_, profile_.get()));
    if (profile_ != nullptr) profile_->start(options_.threads);
    stats_.resize(plan_.tasks.size());
    worker_stats_.assign(options_.threads, std::vector<TaskStats>(plan_.tasks.size()));
    return {};
  }

  Status start(const Batch& batch, const StepOptions& options) override {
    if (plan_.tasks.empty()) return {Code::kInvalidArgument, "the plan has no tasks: it can predict, not train"};
    if (options.update && !store_->options().training) {
      return {Code::kInvalidArgument, "the parameter store has no optimizer state: create it for training"};
    }
    const bool indexed = !plan_.sparse_gradients.empty() &&
                         (options.update || (options_.clip_norm > 0 && options_.clip_scope == ClipScope::kAll));
    PRERANK_RETURN_IF_ERROR(check_batch(plan_, batch, limits_, true, indexed));
    PRERANK_ASSIGN_OR_RETURN(const Batch* const placed, begin(batch));
    forward(*placed, options.step, true);
    reduce(*placed, options.step);
    return complete(*placed, options);
  }

  Status finish() override { return {}; }

  Status predict(const Batch& batch) override {
    if (!plan_.tasks.empty()) return {Code::kInvalidArgument, "the plan has tasks: it can train, not predict"};
    PRERANK_RETURN_IF_ERROR(check_batch(plan_, batch, limits_, false, false));
    PRERANK_ASSIGN_OR_RETURN(const Batch* const placed, begin(batch));
    forward(*placed, 0, false);
    return {};
  }

  const Plan& plan() const override { return plan_; }
  std::span<const TaskStats> stats() const override { return stats_; }
  const BalanceReport* balance() const override { return balance_ == nullptr ? nullptr : &balance_->report(); }
  double gradient_norm() const override { return gradient_norm_; }
  PhaseTimes times() const override { return times_; }
  std::vector<OperationTime> operation_times() const override {
    return profile_ == nullptr ? std::vector<OperationTime>() : profile_->totals();
  }
  size_t bytes() const override { return memory_.bytes(); }

  Status read_output(size_t output, std::span<float> out) const override {
    PRERANK_ASSIGN_OR_RETURN(const size_t index, output_value(plan_, output, out.size(), {rows_, requests_}));
    const PlanValue& value = plan_.values[index];
    const auto width = static_cast<size_t>(value.width);
    for (size_t r = 0; r < out.size() / width; ++r) {
      const float* from = value.domain == Domain::kNone ? memory_.address(index) : memory_.row_address(value, index, r);
      std::memcpy(out.data() + r * width, from, width * sizeof(float));
    }
    return {};
  }

 private:
  Result<std::vector<TableView>> find_tables() {
    std::vector<TableView> tables;
    for (size_t t = 0; t < plan_.tables.size(); ++t) {
      const PlanTable& table = plan_.tables[t];
      PRERANK_ASSIGN_OR_RETURN(const size_t parameter, store_->find(table.name));
      tables.push_back({store_->table_weights(parameter), table.rows, table.dim});
    }
    return tables;
  }

  size_t rows_of(Domain domain) const {
    if (domain == Domain::kNone) return 1;
    return domain == Domain::kRequest ? requests_ : rows_;
  }

  // The batch as the kernels take it.
  Result<const Batch*> begin(const Batch& batch) {
    rows_ = batch.rows;
    requests_ = limits_.request_domain ? batch.requests : 0;
    gradient_norm_ = 0;
    if (balance_ != nullptr) task_scale_ = balance_->scale_tasks();
    memory_.bind_inputs(plan_, batch);
    if (slots_.empty()) return &batch;
    const Stopwatch watch(times_.prologue);
    return slots_.place(batch, *store_, *pool_, profile_.get(), touch_operation_);
  }

  TileContext context(const Batch& batch, uint64_t step, bool training, size_t worker) {
    TileContext result;
    result.worker = worker;
    result.seed = options_.seed;
    result.step = step;
    result.training = training;
    result.batch = &batch;
    result.base = memory_.base(worker);
    result.stats = worker_stats_[worker];
    result.task_scale = task_scale_;
    return result;
  }

  void forward(const Batch& batch, uint64_t step, bool training) {
    {
      const Stopwatch watch(times_.prologue);
      segments_.run_once(Phase::kPrologue, context(batch, step, training, 0));
    }
    const Stopwatch watch(times_.tiles);
    const uint64_t version = store_->version();
    // The prologue may compute weights from parameters and noise.
    const bool stale = prepared_ != version || segments_.has_prologue();
    pool_->run([&](size_t worker) {
      OperationTimes::Watch profile(profile_.get(), worker);
      if (training) {
        std::fill_n(memory_.accumulators()[worker], memory_.accumulator_floats(), 0.0f);
        std::ranges::fill(worker_stats_[worker], TaskStats());
        profile.lap(clear_operation_);
      }
      if (!stale) return;
      segments_.prepare(context(batch, step, training, worker));
      profile.lap(prepare_operation_);
    });
    prepared_ = version;
    for (size_t segment = 0; segment < segments_.size(); ++segment) {
      const Phase phase = segments_.phase(segment);
      const size_t rows = rows_of(segments_.domain(segment));
      if (phase == Phase::kBatch) segments_.run_batch(segment, rows, context(batch, step, training, 0));
      if (phase != Phase::kTiles) continue;
      pool_->run([&](size_t worker) { segments_.run_tiles(segment, rows, context(batch, step, training, worker)); });
    }
  }

  // Accumulators into the first one, which the none operations that follow read and extend.
  void reduce(const Batch& batch, uint64_t step) {
    const Stopwatch watch(times_.reduce);
    const size_t floats = memory_.accumulator_floats();
    if (pool_->workers() > 1 && floats > 0) {
      const size_t lines = (floats + kReduceLine - 1) / kReduceLine;
      pool_->run([&](size_t worker) {
        const Share share = share_of(lines, worker, pool_->workers());
        const size_t first = share.begin * kReduceLine, last = std::min(share.end * kReduceLine, floats);
        OperationTimes::Watch profile(profile_.get(), worker);
        if (first < last) cpu::sum_accumulators(memory_.accumulators(), first, last, memory_.accumulators()[0]);
        profile.lap(reduce_operation_);
      });
    }
    segments_.run_once(Phase::kReduced, context(batch, step, true, 0));
  }

  Status complete(const Batch& batch, const StepOptions& options) {
    Transform transform;
    {
      const Stopwatch watch(times_.transform);
      merge_stats();
      PRERANK_RETURN_IF_ERROR(check_losses(plan_, stats_));
      if (balance_ != nullptr) balance_->combine(batch, stats_, options.step);
      PRERANK_ASSIGN_OR_RETURN(transform, update_->transform(batch));
      if (options_.clip_norm > 0) gradient_norm_ = transform.norm;
    }
    const Stopwatch watch(times_.update);
    if (!options.update) return {};
    update_->update(batch, options, transform.scale);
    if (balance_ != nullptr) balance_->update(batch, stats_, options);
    return {};
  }

  void merge_stats() {
    for (size_t k = 0; k < stats_.size(); ++k) {
      TaskStats& total = stats_[k] = TaskStats();
      for (const std::vector<TaskStats>& worker : worker_stats_) {
        const TaskStats& part = worker[k];
        total.loss += part.loss;
        total.weight += part.weight;
        total.count += part.count;
        total.prediction += part.prediction;
        total.target += part.target;
        total.target_sq += part.target_sq;
        total.nonfinite += part.nonfinite;
        if (total.first_row < 0) total.first_row = part.first_row;
      }
    }
  }

  const Plan plan_;
  const std::shared_ptr<ParameterStore> store_;
  const ProgramOptions options_;
  BatchLimits limits_;
  std::unique_ptr<ThreadPool> pool_;
  ProgramMemory memory_;
  ProgramSegments segments_;
  std::unique_ptr<ProgramBalance> balance_;  // null: one gradient, the tasks' weights as they are
  std::span<const double> task_scale_;       // of the last step
  std::unique_ptr<ProgramUpdate> update_;
  BatchSlots slots_;
  std::vector<std::vector<TaskStats>> worker_stats_;
  std::vector<TaskStats> stats_;
  PhaseTimes times_;
  std::unique_ptr<OperationTimes> profile_;  // null: not wanted
  size_t touch_operation_ = 0, clear_operation_ = 0, prepare_operation_ = 0, reduce_operation_ = 0;
  std::optional<uint64_t> prepared_;  // version of the parameters that the kernels prepared
  size_t rows_ = 0;      // of the last batch
  size_t requests_ = 0;  // of the last batch
  double gradient_norm_ = 0;
};

}  // namespace

Result<std::unique_ptr<Program>> Program::create(Plan plan, std::shared_ptr<ParameterStore> store,
                                                 ProgramOptions options) {
  if (store == nullptr) return Status(Code::kInvalidArgument, "a program needs a parameter store");
  if (store->options().device.cuda >= 0) {
    return Status(Code::kInvalidArgument, "the store is for programs on a CUDA device");
  }
  auto program = std::make_unique<CpuProgram>(std::move(plan), std::move(store), options);
  PRERANK_RETURN_IF_ERROR(program->build());
  return std::unique_ptr<Program>(std::move(program));
}

}  // namespace prerank
