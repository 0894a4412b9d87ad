#include "plan/program_balance.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "cpu/optimizers.h"
#include "plan/task_weights.h"

namespace prerank {
namespace {

constexpr size_t kGradientChunk = 4096;  // elements
constexpr size_t kLanes = 8;

// Dot product in double, in an order that does not depend on the machine.
double dot(const float* a, const float* b, size_t count) {
  std::array<double, kLanes> sums = {};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      sums[lane] += static_cast<double>(a[i + lane]) * static_cast<double>(b[i + lane]);
    }
  }
  for (; i < count; ++i) sums[i % kLanes] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

// target[i] = sum over the sources of coefficient * source[i]; the target may be the first source.
void combine_range(std::span<const float* const> sources, std::span<const double> coefficients, size_t begin, size_t end,
                   float* target) {
  for (size_t i = begin; i < end; ++i) {
    double sum = 0;
    for (size_t k = 0; k < sources.size(); ++k) {
      if (sources[k] != nullptr) sum += coefficients[k] * static_cast<double>(sources[k][i]);
    }
    target[i] = static_cast<float>(sum);
  }
}

}  // namespace

Result<std::unique_ptr<ProgramBalance>> ProgramBalance::create(const Plan& plan, ParameterStore& store,
                                                               ProgramMemory& memory, ThreadPool& pool, uint64_t seed,
                                                               OperationTimes* profile) {
  std::unique_ptr<ProgramBalance> balance(new ProgramBalance(plan, memory, pool, seed, profile));
  if (profile != nullptr) balance->operation_ = profile->add({.kind = "gradients.balance", .layer = "tasks"});
  balance->collect();
  if (plan.balancing->kind == BalancingKind::kUncertainty) {
    PRERANK_RETURN_IF_ERROR(balance->bind_log_variances(store));
  }
  return balance;
}

void ProgramBalance::collect() {
  for (const PlanTask& task : plan_.tasks) logits_ = std::max(logits_, static_cast<size_t>(task.logits) + 1);
  for (const PlanParts& planned : balancing_.dense) {
    Parts& parts = dense_.emplace_back();
    for (const int32_t value : planned.values) {
      float* const address = value < 0 ? nullptr : memory_.base(0)[static_cast<size_t>(value)];
      parts.sources.push_back(address);
      if (address == nullptr) continue;
      if (parts.target == nullptr) parts.target = address;
      parts.width = static_cast<size_t>(plan_.values[static_cast<size_t>(value)].width);
    }
    for (size_t begin = 0; begin < parts.width; begin += kGradientChunk) {
      chunks_.push_back({dense_.size() - 1, begin, std::min(begin + kGradientChunk, parts.width)});
    }
  }
  const bool apart = !dense_.empty() || !balancing_.pooled.empty();
  if (apart) report_.gram.resize(logits_ * logits_);
  chunk_grams_.resize(chunks_.size() * logits_ * logits_);
  switch (balancing_.kind) {
    case BalancingKind::kFixed: break;
    case BalancingKind::kUncertainty: report_.weights.assign(plan_.tasks.size(), 1.0); break;
    case BalancingKind::kPcgrad:
    case BalancingKind::kMgda: report_.weights.assign(logits_, 1.0); break;
  }
}

Status ProgramBalance::bind_log_variances(ParameterStore& store) {
  const PlanParameter& parameter = plan_.parameters[static_cast<size_t>(balancing_.log_variances)];
  PRERANK_ASSIGN_OR_RETURN(const size_t stored, store.find(parameter.name));
  log_variances_ = store.weights(stored);
  state0_ = store.state(stored, 0);
  state1_ = store.state(stored, 1);
  optimizer_ = store.options().dense;
  // Neither belongs to a model's weights: both would pull the tasks' scales towards 1.
  optimizer_.l2 = 0;
  optimizer_.weight_decay = 0;
  return {};
}

std::span<const double> ProgramBalance::scale_tasks() {
  if (balancing_.kind != BalancingKind::kUncertainty) return {};
  for (size_t k = 0; k < plan_.tasks.size(); ++k) {
    report_.weights[k] = uncertainty_share(plan_.tasks[k].kind) * std::exp(-static_cast<double>(log_variances_[k]));
  }
  return report_.weights;
}

void ProgramBalance::combine(const Batch& batch, std::span<const TaskStats> stats, uint64_t step) {
  if (report_.gram.empty()) return;
  compute_gram();
  weigh(batch, stats, step);
  add_up(batch);
}

// Chunks are fixed and summed in their order: the same for every thread count.
void ProgramBalance::compute_gram() {
  const size_t size = logits_ * logits_;
  pool_.run([this, size](size_t worker) {
    OperationTimes::Watch profile(profile_, worker);
    const Share share = share_of(chunks_.size(), worker, pool_.workers());
    for (size_t c = share.begin; c < share.end; ++c) {
      const Chunk& chunk = chunks_[c];
      const std::vector<const float*>& sources = dense_[chunk.parts].sources;
      for (size_t i = 0; i < logits_; ++i) {
        for (size_t j = i; j < logits_; ++j) {
          const bool both = sources[i] != nullptr && sources[j] != nullptr;
          const double product =
              both ? dot(sources[i] + chunk.begin, sources[j] + chunk.begin, chunk.end - chunk.begin) : 0;
          chunk_grams_[c * size + i * logits_ + j] = chunk_grams_[c * size + j * logits_ + i] = product;
        }
      }
    }
    profile.lap(operation_);
  });
  std::ranges::fill(report_.gram, 0.0);
  for (size_t c = 0; c < chunks_.size(); ++c) {
    for (size_t i = 0; i < size; ++i) report_.gram[i] += chunk_grams_[c * size + i];
  }
}

double ProgramBalance::task_loss(const Batch& batch, std::span<const TaskStats> stats, size_t task) const {
  return plan_.tasks[task].weight * stats[task].loss * batch.inv_n[task];
}

void ProgramBalance::weigh(const Batch& batch, std::span<const TaskStats> stats, uint64_t step) {
  WeighingScratch scratch;
  if (balancing_.kind == BalancingKind::kPcgrad) {
    pcgrad_coefficients(report_.gram, seed_, step, report_.weights, scratch);
  }
  if (balancing_.kind != BalancingKind::kMgda) return;
  std::array<double, kMaxWeighed> losses = {}, norms;
  for (size_t k = 0; k < plan_.tasks.size(); ++k) {
    losses[static_cast<size_t>(plan_.tasks[k].logits)] += task_loss(batch, stats, k);
  }
  for (size_t k = 0; k < logits_; ++k) {
    norms[k] = gradient_divisor(balancing_.norm, std::sqrt(report_.gram[k * logits_ + k]), losses[k]);
  }
  mgda_coefficients(report_.gram, std::span(norms).first(logits_), report_.weights, scratch);
}

void ProgramBalance::add_up(const Batch& batch) {
  std::array<double, kMaxWeighed> ones;
  ones.fill(1);
  const bool weighed = balancing_.kind == BalancingKind::kPcgrad || balancing_.kind == BalancingKind::kMgda;
  const std::span<const double> coefficients =
      weighed ? std::span<const double>(report_.weights) : std::span<const double>(ones).first(logits_);
  pool_.run([&](size_t worker) {
    OperationTimes::Watch profile(profile_, worker);
    const Share share = share_of(chunks_.size(), worker, pool_.workers());
    for (size_t c = share.begin; c < share.end; ++c) {
      const Chunk& chunk = chunks_[c];
      const Parts& parts = dense_[chunk.parts];
      combine_range(parts.sources, coefficients, chunk.begin, chunk.end, parts.target);
    }
    for (const PlanParts& pooled : balancing_.pooled) {
      const auto any = static_cast<size_t>(*std::ranges::find_if(pooled.values, [](int32_t v) { return v >= 0; }));
      const PlanValue& first = plan_.values[any];
      const Share rows = share_of(first.domain == Domain::kRow ? batch.rows : batch.requests, worker, pool_.workers());
      std::array<const float*, kMaxWeighed> sources = {};
      for (size_t r = rows.begin; r < rows.end; ++r) {
        for (size_t k = 0; k < logits_; ++k) {
          if (pooled.values[k] < 0) continue;
          const auto index = static_cast<size_t>(pooled.values[k]);
          sources[k] = memory_.row_address(plan_.values[index], index, r);
        }
        combine_range(std::span(sources).first(logits_), coefficients, 0, static_cast<size_t>(first.width),
                      memory_.row_address(first, any, r));
      }
    }
    profile.lap(operation_);
  });
}

void ProgramBalance::update(const Batch& batch, std::span<const TaskStats> stats, const StepOptions& options) {
  if (balancing_.kind != BalancingKind::kUncertainty) return;
  const auto element = [](std::span<float> state, size_t k) { return state.empty() ? state : state.subspan(k, 1); };
  for (size_t k = 0; k < plan_.tasks.size(); ++k) {
    // Without rows the loss says nothing of the variance; half of s alone would push it down.
    if (!(stats[k].weight > 0)) continue;
    const float gradient = log_variance_gradient(report_.weights[k], task_loss(batch, stats, k));
    cpu::update_dense(optimizer_, options.step, options.dense_lr, 1, element(log_variances_, k),
                      std::span(&gradient, 1), element(state0_, k), element(state1_, k));
    log_variances_[k] = std::clamp(log_variances_[k], -kLogVarianceBound, kLogVarianceBound);
  }
}

}  // namespace prerank
