// Operands of the fused loss, checked: each logit with the tasks that train it.
#pragma once

#include <vector>

#include "cpu/operands.h"

namespace prerank::cpu {

struct LossTask {
  size_t index = 0;  // in Plan::tasks
  LossKind kind = LossKind::kBce;
  double lambda = 1;
  double delta = 1;
};

struct TrainedLogit {
  View x, dx;
  std::vector<LossTask> tasks;
};

inline constexpr size_t kMaxTasks = 32;  // bits of the mask

Result<std::vector<TrainedLogit>> trained_logits(const KernelBuild& build);

}  // namespace prerank::cpu
