// Operands and attributes of the pairwise loss, checked.
#pragma once

#include "cpu/operands.h"

namespace prerank::cpu {

struct PairwiseSettings {
  View score, loss, slope;
  size_t event = 0, condition = 0;  // tasks
  double near_margin = 0, plain_margin = 0;
  bool squared = false;
  bool mean = true;
};
Result<PairwiseSettings> pairwise_settings(const KernelBuild& build);

struct PairwiseGradient {
  View dy, slope, dx;
};
Result<PairwiseGradient> pairwise_gradient(const KernelBuild& build);

}  // namespace prerank::cpu
