// How a step weighs its tasks (PlanBalancing), all on the device: scales of their losses before the loss, coefficients
// of their gradients of shared parameters after it.
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "cuda/dense_rules.h"
#include "cuda/device.h"
#include "cuda/device_store.h"
#include "cuda/gradient_parts.h"
#include "cuda/kernel.h"
#include "cuda/memory.h"
#include "prerank/program.h"

namespace prerank::cuda {

struct BalancedTask {
  double weight = 1;  // of the plan
  double share = 1;   // uncertainty_share
  uint32_t logits = 0;
};

struct BalancedTasks {
  std::array<BalancedTask, kMaxWeighed> of = {};
  uint32_t count = 0, logits = 0;
  BalancingKind kind = BalancingKind::kFixed;
  GradientNorm norm = GradientNorm::kNone;
};

// A parameter with an element per task, and its optimizer's state.
struct LogVariances {
  float* value = nullptr;
  float* state0 = nullptr;
  float* state1 = nullptr;
};

class TaskBalance {
 public:
  static Result<TaskBalance> create(const Plan& plan, const ParameterStore& store, const DeviceStore& tensors,
                                    const DeviceMemory& memory);

  // DeviceStep::task_scale, which enqueue_scales() writes; null for 1.
  const double* task_scale() const { return log_variances_.value == nullptr ? nullptr : weights(); }
  // Before the loss.
  Status enqueue_scales(cudaStream_t stream) const;
  // After the backward operations: combines the gradients in place of their first parts.
  Status enqueue_combination(cudaStream_t stream, const DeviceStep& step, const DeviceBatch& batch,
                             const BatchSize& size) const;
  // With the parameters: moves the log-variances of the tasks that had rows, unless the step is refused or updates nothing.
  Status enqueue_update(cudaStream_t stream, const DeviceStep& step, const DeviceBatch& batch) const;

  // Bytes of what enqueue_report() copies to page-locked memory, for report_of().
  size_t report_bytes() const { return report_.bytes(); }
  Status enqueue_report(cudaStream_t stream, double* to) const;
  void report_of(const double* from, BalanceReport& report) const;

 private:
  double* gram() const { return report_.as<double>(); }
  double* weights() const { return report_.as<double>() + gram_size_; }

  BalancedTasks tasks_;
  std::optional<GradientParts> parts_;  // none: the tasks have one gradient together
  DenseRule rule_ = DenseRule::kSgd;
  LogVariances log_variances_;
  size_t gram_size_ = 0, weight_count_ = 0;
  DeviceBuffer report_;  // gram, weights
  DeviceBuffer ones_;    // [logits]
};

}  // namespace prerank::cuda
