#include "plan/program_update.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "base/table_rounding.h"
#include "plan/pooled_gradients.h"
#include "plan/program_checks.h"

namespace prerank {
namespace {

constexpr size_t kChunk = 4096;  // elements: a multiple of every vector width

}  // namespace

Result<std::unique_ptr<ProgramUpdate>> ProgramUpdate::create(const Plan& plan, ParameterStore& store,
                                                             const ProgramMemory& memory, ThreadPool& pool,
                                                             const ProgramOptions& options, OperationTimes* profile) {
  std::unique_ptr<ProgramUpdate> update(new ProgramUpdate(plan, store, pool, options, profile));
  PRERANK_RETURN_IF_ERROR(update->collect(memory));
  if (profile != nullptr) update->name_operations();
  return update;
}

Status ProgramUpdate::collect(const ProgramMemory& memory) {
  for (size_t p = 0; p < plan_.parameters.size(); ++p) {
    const PlanParameter& parameter = plan_.parameters[p];
    if (parameter.grad < 0) continue;
    PRERANK_ASSIGN_OR_RETURN(const size_t stored, store_.find(parameter.name));
    const std::span<float> weights = store_.weights(stored);
    const size_t target = dense_.size();
    dense_.push_back({p, weights, store_.state(stored, 0), store_.state(stored, 1),
                      {memory.address(static_cast<size_t>(parameter.grad)), weights.size()}});
    for (size_t begin = 0; begin < weights.size(); begin += kChunk) {
      chunks_.push_back({target, begin, std::min(begin + kChunk, weights.size())});
    }
  }
  chunk_norms_.resize(chunks_.size());
  worker_norms_.resize(pool_.workers());
  pooled_ = pooled_gradients(plan_, [&memory](size_t value) { return memory.address(value); });
  std::vector<bool> trained(plan_.tables.size(), false);
  for (const PlanSparseGradient& gradient : plan_.sparse_gradients) {
    trained[static_cast<size_t>(plan_.id_inputs[static_cast<size_t>(gradient.id_input)].table)] = true;
  }
  for (size_t t = 0; t < plan_.tables.size(); ++t) {
    if (!trained[t]) continue;
    PRERANK_ASSIGN_OR_RETURN(const size_t stored, store_.find(plan_.tables[t].name));
    sparse_.push_back({t,
                       {store_.table_weights(stored), plan_.tables[t].rows, plan_.tables[t].dim},
                       store_.state(stored, 0),
                       store_.state(stored, 1),
                       rounding_stream(plan_.tables[t].name),
                       0});
  }
  return {};
}

void ProgramUpdate::name_operations() {
  norm_operation_ = profile_->add({.kind = "gradient.norm", .layer = "gradients"});
  dense_operation_ = profile_->add({.kind = "update.dense", .layer = "parameters"});
  for (SparseTarget& target : sparse_) {
    target.operation = profile_->add({.kind = "update.sparse", .layer = plan_.tables[target.table].name});
  }
}

// Chunks are fixed and summed in their order: the norm is the same for every thread count.
double ProgramUpdate::dense_norm_sq() {
  pool_.run([this](size_t worker) {
    OperationTimes::Watch profile(profile_, worker);
    const Share share = share_of(chunks_.size(), worker, pool_.workers());
    for (size_t c = share.begin; c < share.end; ++c) {
      const Chunk& chunk = chunks_[c];
      chunk_norms_[c] = cpu::norm_sq(dense_[chunk.target].gradient.subspan(chunk.begin, chunk.end - chunk.begin));
    }
    profile.lap(norm_operation_);
  });
  double total = 0;
  for (const double norm : chunk_norms_) total += norm;
  return total;
}

double ProgramUpdate::sparse_norm_sq(const Batch& batch) {
  pool_.run([&](size_t worker) {
    OperationTimes::Watch profile(profile_, worker);
    double sum = 0;
    for (const SparseTarget& target : sparse_) {
      const BatchTableIndex& index = batch.table_index[target.table];
      const RowRange range = rows_of(index, worker);
      sum += cpu::sparse_gradient_norm_sq(target.view.dim, index, range.begin, range.end, pooled_);
    }
    worker_norms_[worker] = sum;
    profile.lap(norm_operation_);
  });
  double total = 0;
  for (const double norm : worker_norms_) total += norm;
  return total;
}

// Distinct rows for a worker: contiguous, with about the same number of entries for each.
ProgramUpdate::RowRange ProgramUpdate::rows_of(const BatchTableIndex& index, size_t worker) const {
  if (index.rows.empty()) return {};
  const size_t entries = index.starts.back(), rows = index.rows.size(), workers = pool_.workers();
  const auto cut = [&](size_t w) {
    if (w == 0) return size_t{0};
    if (w == workers) return rows;
    const auto starts = index.starts.first(rows);
    const auto at = std::lower_bound(starts.begin(), starts.end(), static_cast<uint32_t>(entries * w / workers));
    return static_cast<size_t>(at - starts.begin());
  };
  return {cut(worker), cut(worker + 1)};
}

Status ProgramUpdate::not_finite() const {
  for (const DenseTarget& target : dense_) {
    if (std::isfinite(cpu::norm_sq(target.gradient))) continue;
    return {Code::kNonFinite, "the gradient of " + plan_.parameters[target.parameter].name + " is not finite"};
  }
  return {Code::kNonFinite, "the gradient norm is not finite"};
}

Result<Transform> ProgramUpdate::transform(const Batch& batch) {
  double total = dense_norm_sq();
  if (options_.clip_norm > 0 && options_.clip_scope == ClipScope::kAll) total += sparse_norm_sq(batch);
  if (!std::isfinite(total)) return not_finite();
  Transform result;
  result.norm = std::sqrt(total);
  if (options_.clip_norm > 0) result.scale = std::min(1.0, options_.clip_norm / (result.norm + kClipEpsilon));
  return result;
}

// Scope dense clips the dense gradients only.
void ProgramUpdate::update(const Batch& batch, const StepOptions& options, double scale) {
  const ParameterStore::Options& settings = store_.options();
  const double sparse_scale = options_.clip_scope == ClipScope::kAll ? scale : 1.0;
  pool_.run([&](size_t worker) {
    OperationTimes::Watch profile(profile_, worker);
    const Share share = share_of(chunks_.size(), worker, pool_.workers());
    for (size_t c = share.begin; c < share.end; ++c) {
      const Chunk& chunk = chunks_[c];
      const DenseTarget& target = dense_[chunk.target];
      const size_t size = chunk.end - chunk.begin;
      const auto part = [&](std::span<float> whole) {
        return whole.empty() ? whole : whole.subspan(chunk.begin, size);
      };
      cpu::update_dense(settings.dense, options.step, options.dense_lr, scale, part(target.weights),
                        target.gradient.subspan(chunk.begin, size), part(target.state0), part(target.state1));
    }
    profile.lap(dense_operation_);
    for (const SparseTarget& target : sparse_) {
      const BatchTableIndex& index = batch.table_index[target.table];
      const RowRange range = rows_of(index, worker);
      const uint64_t rounding = table_rounding(options_.seed, options.step, target.rounding_stream);
      cpu::update_sparse_rows(settings.sparse, options.step, options.sparse_lr, sparse_scale, target.view,
                              target.state0, target.state1, index, range.begin, range.end, pooled_, rounding);
      profile.lap(target.operation);
    }
  });
  store_.changed();
}

}  // namespace prerank
