#include "bench/kernel_bench.h"

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "base/aligned_buffer.h"
#include "cpu/optimizers.h"
#include "prerank/kernel.h"
#include "prerank/loader.h"

namespace prerank::bench {
namespace {

Result<AlignedBuffer> random_floats(size_t count, std::mt19937& random) {
  PRERANK_ASSIGN_OR_RETURN(AlignedBuffer buffer, AlignedBuffer::floats(count));
  std::uniform_real_distribution<float> uniform(0.1f, 1.0f);
  std::ranges::generate(buffer.as<float>(), [&] { return uniform(random); });
  return buffer;
}

size_t rows_of(Domain domain, const Batch& batch) {
  if (domain == Domain::kNone) return 1;
  return domain == Domain::kRequest ? batch.requests : batch.rows;
}

// The kernels of a plan's only segment, with memory for its values.
class KernelRun {
 public:
  static Result<KernelRun> create(const Plan& plan, const Batch& batch, bool bfloat16_products) {
    if (plan.segments.size() != 1) return Status(Code::kInvalidArgument, "a kernel is timed in a plan of one segment");
    KernelRun run(plan, batch);
    PRERANK_RETURN_IF_ERROR(run.allocate());
    PRERANK_RETURN_IF_ERROR(run.build(bfloat16_products));
    return run;
  }

  void operator()() {
    const Domain domain = plan_.segments.front().domain;
    const size_t rows = rows_of(domain, batch_);
    TileContext context = context_of_batch();
    for (size_t first = 0; first < rows; first += tile_rows_) {
      context.first_row = first;
      context.rows = std::min(tile_rows_, rows - first);
      for (size_t i = 0; i < base_.size(); ++i) {
        const bool moves = plan_.values[i].domain == domain && spans_batch(plan_.values[i]);
        base_[i] = values_[i].as<float>().data() + (moves ? first * static_cast<size_t>(plan_.values[i].stride) : 0);
      }
      for (const auto& kernel : kernels_) kernel->run(context);
    }
  }

 private:
  TileContext context_of_batch() {
    TileContext context;
    context.training = !plan_.tasks.empty();
    context.batch = &batch_;
    context.base = base_;
    context.stats = stats_;
    context.scratch = scratch_.as<float>().data();
    return context;
  }

  KernelRun(const Plan& plan, const Batch& batch)
      : plan_(plan), batch_(batch), tile_rows_(static_cast<size_t>(plan.tile_rows)), stats_(plan.tasks.size()) {}

  static bool spans_batch(const PlanValue& value) {
    return value.storage == Storage::kFull || value.storage == Storage::kInput;
  }

  Status allocate() {
    std::mt19937 random(1);
    for (const PlanValue& value : plan_.values) {
      const size_t rows = value.domain == Domain::kNone || spans_batch(value)
                              ? rows_of(value.domain, batch_)
                              : std::min(tile_rows_, rows_of(value.domain, batch_));
      const auto floats = rows * static_cast<size_t>(value.domain == Domain::kNone ? value.width : value.stride);
      PRERANK_ASSIGN_OR_RETURN(AlignedBuffer buffer, random_floats(floats, random));
      values_.push_back(std::move(buffer));
    }
    for (const PlanTable& table : plan_.tables) {
      PRERANK_ASSIGN_OR_RETURN(AlignedBuffer buffer, random_floats(static_cast<size_t>(table.rows * table.dim), random));
      tables_.push_back({buffer.as<float>().data(), table.rows, table.dim});
      values_of_tables_.push_back(std::move(buffer));
    }
    for (const AlignedBuffer& value : values_) base_.push_back(value.as<float>().data());
    return {};
  }

  Status build(bool bfloat16_products) {
    size_t scratch = 0;
    for (const PlanOp& op : plan_.segments.front().ops) {
      const KernelBuild build = {&plan_, &op, plan_.segments.front().domain, tables_, 1, tile_rows_, bfloat16_products};
      PRERANK_ASSIGN_OR_RETURN(std::unique_ptr<Kernel> kernel, make_cpu_kernel(build));
      kernel->prepare(context_of_batch());
      scratch = std::max(scratch, kernel->scratch());
      kernels_.push_back(std::move(kernel));
    }
    PRERANK_ASSIGN_OR_RETURN(scratch_, AlignedBuffer::floats(scratch));
    return {};
  }

  const Plan& plan_;
  const Batch& batch_;
  size_t tile_rows_;
  std::vector<AlignedBuffer> values_, values_of_tables_;
  std::vector<TableView> tables_;
  std::vector<float*> base_;
  std::vector<TaskStats> stats_;
  std::vector<std::unique_ptr<Kernel>> kernels_;
  AlignedBuffer scratch_;
};

Status need_table(const Plan& plan) {
  if (!plan.tables.empty() && !plan.id_inputs.empty()) return {};
  return {Code::kInvalidArgument, "a table is timed in a plan with one"};
}

}  // namespace

Result<std::vector<double>> time_kernel(const Plan& plan, const Batch& batch, const Sampling& sampling,
                                        bool bfloat16_products) {
  PRERANK_ASSIGN_OR_RETURN(KernelRun run, KernelRun::create(plan, batch, bfloat16_products));
  return sample(sampling, run);
}

Result<std::vector<double>> time_table_index(const Plan& plan, const Batch& batch, const Sampling& sampling) {
  PRERANK_RETURN_IF_ERROR(need_table(plan));
  PRERANK_ASSIGN_OR_RETURN(const auto indexer, TableIndexer::create(plan, 1));
  Batch indexed = batch;
  PRERANK_RETURN_IF_ERROR(indexer->index(indexed));
  Status status;
  std::vector<double> seconds = sample(sampling, [&] {
    if (Status next = indexer->index(indexed); !next.ok()) status = std::move(next);
  });
  PRERANK_RETURN_IF_ERROR(status);
  return seconds;
}

Result<std::vector<double>> time_sparse_update(const Plan& plan, const Batch& batch, const SparseOptimizer& optimizer,
                                               const Sampling& sampling) {
  PRERANK_RETURN_IF_ERROR(need_table(plan));
  PRERANK_ASSIGN_OR_RETURN(const auto indexer, TableIndexer::create(plan, 1));
  Batch indexed = batch;
  PRERANK_RETURN_IF_ERROR(indexer->index(indexed));
  const PlanTable& table = plan.tables.front();
  const auto rows = static_cast<size_t>(table.rows), dim = static_cast<size_t>(table.dim);
  const bool row_wise = optimizer.kind == SparseOptimizerKind::kRowwiseAdagrad;
  std::mt19937 random(1);
  PRERANK_ASSIGN_OR_RETURN(const AlignedBuffer weights, random_floats(rows * dim, random));
  PRERANK_ASSIGN_OR_RETURN(const AlignedBuffer state0, random_floats(row_wise ? rows : rows * dim, random));
  PRERANK_ASSIGN_OR_RETURN(const AlignedBuffer state1, random_floats(row_wise ? 0 : rows * dim, random));
  PRERANK_ASSIGN_OR_RETURN(const AlignedBuffer pooled, random_floats(batch.rows * dim, random));
  const TableView view{weights.as<float>().data(), table.rows, table.dim};
  const std::vector<cpu::PooledGradient> gradients(plan.id_inputs.size(), {pooled.as<float>().data(), dim});
  const BatchTableIndex& index = indexed.table_index.front();
  return sample(sampling, [&] {
    cpu::update_sparse_rows(optimizer, 0, 1e-6, 1, view, state0.as<float>(), state1.as<float>(), index, 0,
                            index.rows.size(), gradients, 0);
  });
}

Result<std::vector<double>> time_dense_update(size_t count, const DenseOptimizer& optimizer, const Sampling& sampling) {
  std::mt19937 random(1);
  PRERANK_ASSIGN_OR_RETURN(const AlignedBuffer weights, random_floats(count, random));
  PRERANK_ASSIGN_OR_RETURN(const AlignedBuffer gradient, random_floats(count, random));
  PRERANK_ASSIGN_OR_RETURN(const AlignedBuffer state0, random_floats(count, random));
  PRERANK_ASSIGN_OR_RETURN(const AlignedBuffer state1, random_floats(count, random));
  return sample(sampling, [&] {
    cpu::update_dense(optimizer, 0, 1e-6, 1, weights.as<float>(), gradient.as<float>(), state0.as<float>(),
                      state1.as<float>());
  });
}

}  // namespace prerank::bench
