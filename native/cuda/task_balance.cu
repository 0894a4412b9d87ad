#include "cuda/task_balance.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "cuda/launch.h"
#include "cuda/share.h"
#include "cuda/upload.h"

namespace prerank::cuda {
namespace {

static_assert(kMaxWeighed == kWarpThreads);  // a lane for each task

__device__ double weighted_loss(const BalancedTasks& tasks, size_t k, const TaskStats* stats, const double* inv_n) {
  return tasks.of[k].weight * stats[k].loss * inv_n[k];
}

// One warp.
__global__ void scale_losses(BalancedTasks tasks, const float* log_variances, double* scales) {
  const uint32_t k = threadIdx.x;
  if (k < tasks.count) scales[k] = tasks.of[k].share * exp(-static_cast<double>(log_variances[k]));
}

// One thread: there are few tasks. In shared memory, so that it needs no stack.
__global__ void weigh_gradients(BalancedTasks tasks, const StepNumbers* numbers, const TaskStats* stats,
                                const double* inv_n, const double* gram, double* weights) {
  __shared__ WeighingScratch scratch;
  __shared__ double losses[kMaxWeighed], norms[kMaxWeighed];
  const size_t logits = tasks.logits;
  const std::span<const double> products(gram, logits * logits);
  const std::span<double> coefficients(weights, logits);
  if (tasks.kind == BalancingKind::kPcgrad) {
    pcgrad_coefficients(products, numbers->seed, numbers->step, coefficients, scratch);
    return;
  }
  for (size_t k = 0; k < logits; ++k) losses[k] = 0;
  for (size_t k = 0; k < tasks.count; ++k) losses[tasks.of[k].logits] += weighted_loss(tasks, k, stats, inv_n);
  for (size_t k = 0; k < logits; ++k) {
    norms[k] = gradient_divisor(tasks.norm, sqrt(gram[k * logits + k]), losses[k]);
  }
  mgda_coefficients(products, std::span<const double>(norms, logits), coefficients, scratch);
}

// One warp. Neither L2 nor weight decay belong to log-variances: both would pull the tasks' scales towards 1.
template <class Rule>
__global__ void move_log_variances(BalancedTasks tasks, LogVariances log_variances, const double* scales,
                                   const double* inv_n, DeviceStep step) {
  const uint32_t k = threadIdx.x;
  if (k >= tasks.count || step.result->refused != 0 || step.numbers->update == 0) return;
  // Without rows the loss says nothing of the variance; half of s alone would push it down.
  if (!(step.stats[k].weight > 0)) return;
  cpu::UpdateConstants c = step.numbers->dense;
  c.l2 = 0;
  c.decay = 1;
  const float gradient = log_variance_gradient(scales[k], weighted_loss(tasks, k, step.stats, inv_n));
  float unused0 = 0, unused1 = 0;
  float s = log_variances.value[k];
  move_weight<Rule>(c, gradient, s, Rule::kStates > 0 ? log_variances.state0[k] : unused0,
                    Rule::kStates > 1 ? log_variances.state1[k] : unused1);
  log_variances.value[k] = s < -kLogVarianceBound ? -kLogVarianceBound : s > kLogVarianceBound ? kLogVarianceBound : s;
}

BalancedTasks balanced_tasks(const Plan& plan) {
  BalancedTasks tasks;
  tasks.kind = plan.balancing->kind;
  tasks.norm = plan.balancing->norm;
  for (const PlanTask& task : plan.tasks) {
    const auto logits = static_cast<uint32_t>(task.logits);
    tasks.of[tasks.count++] = {task.weight, uncertainty_share(task.kind), logits};
    tasks.logits = std::max(tasks.logits, logits + 1);
  }
  return tasks;
}

}  // namespace

Result<TaskBalance> TaskBalance::create(const Plan& plan, const ParameterStore& store, const DeviceStore& tensors,
                                        const DeviceMemory& memory) {
  constexpr const char* kWhat = "how the tasks are weighed";
  const PlanBalancing& balancing = *plan.balancing;
  TaskBalance balance;
  balance.tasks_ = balanced_tasks(plan);
  const size_t logits = balance.tasks_.logits;
  PRERANK_ASSIGN_OR_RETURN(balance.parts_, GradientParts::create(plan, memory, logits));
  if (balance.parts_->empty()) balance.parts_.reset();
  if (balance.parts_) balance.gram_size_ = logits * logits;
  switch (balancing.kind) {
    case BalancingKind::kFixed: break;
    case BalancingKind::kUncertainty: balance.weight_count_ = plan.tasks.size(); break;
    case BalancingKind::kPcgrad:
    case BalancingKind::kMgda: balance.weight_count_ = logits; break;
  }
  if (balancing.kind == BalancingKind::kUncertainty) {
    const PlanParameter& parameter = plan.parameters[static_cast<size_t>(balancing.log_variances)];
    PRERANK_ASSIGN_OR_RETURN(const size_t p, store.find(parameter.name));
    balance.rule_ = dense_rule(store.options().dense);
    balance.log_variances_ = {tensors.weights(p), tensors.state(p, 0), tensors.state(p, 1)};
  }
  const std::vector<double> fresh(balance.gram_size_ + balance.weight_count_, 1.0), ones(logits, 1.0);
  PRERANK_ASSIGN_OR_RETURN(balance.report_, upload_array(std::span<const double>(fresh), kWhat));
  PRERANK_ASSIGN_OR_RETURN(balance.ones_, upload_array(std::span<const double>(ones), kWhat));
  return Result<TaskBalance>(std::move(balance));
}

Status TaskBalance::enqueue_scales(cudaStream_t stream) const {
  if (log_variances_.value == nullptr) return {};
  return launch(stream, 1, kWarpThreads, scale_losses, tasks_, log_variances_.value, weights());
}

Status TaskBalance::enqueue_combination(cudaStream_t stream, const DeviceStep& step, const DeviceBatch& batch,
                                        const BatchSize& size) const {
  if (!parts_) return {};
  PRERANK_RETURN_IF_ERROR(parts_->enqueue_gram(stream, gram()));
  const bool weighed = tasks_.kind == BalancingKind::kPcgrad || tasks_.kind == BalancingKind::kMgda;
  if (weighed) {
    PRERANK_RETURN_IF_ERROR(launch(stream, 1, 1, weigh_gradients, tasks_, step.numbers, step.stats, batch.inv_n, gram(),
                                   weights()));
  }
  return parts_->enqueue_combination(stream, weighed ? weights() : ones_.as<double>(), size);
}

Status TaskBalance::enqueue_update(cudaStream_t stream, const DeviceStep& step, const DeviceBatch& batch) const {
  if (log_variances_.value == nullptr) return {};
  auto* const kernel = rule_ == DenseRule::kSgd        ? move_log_variances<DenseSgd>
                       : rule_ == DenseRule::kMomentum ? move_log_variances<DenseMomentum>
                       : rule_ == DenseRule::kAdagrad  ? move_log_variances<DenseAdagrad>
                                                       : move_log_variances<DenseAdam>;
  return launch(stream, 1, kWarpThreads, kernel, tasks_, log_variances_, weights(), batch.inv_n, step);
}

Status TaskBalance::enqueue_report(cudaStream_t stream, double* to) const {
  if (report_.bytes() == 0) return {};
  PRERANK_CUDA(cudaMemcpyAsync(to, report_.as<void>(), report_.bytes(), cudaMemcpyDeviceToHost, stream));
  return {};
}

void TaskBalance::report_of(const double* from, BalanceReport& report) const {
  report.gram.assign(from, from + gram_size_);
  report.weights.assign(from + gram_size_, from + gram_size_ + weight_count_);
}

}  // namespace prerank::cuda
