// Settings of operations that draw random numbers, checked.
#pragma once

#include <cstdint>

#include "cpu/operands.h"

namespace prerank::cpu {

struct DropoutSettings {
  uint32_t op = 0;         // whose mask it is
  uint32_t threshold = 0;  // random bits below it drop the element
  float scale = 1;         // of what is kept
};
Result<DropoutSettings> dropout_settings(const KernelBuild& build);
// Of the operation that attribute `maskOf` names.
Result<DropoutSettings> dropout_grad_settings(const KernelBuild& build);

struct ConcreteSettings {
  double temperature = 1, low = 0, high = 1;
  uint32_t op = 0;  // whose noise it is
};
Result<ConcreteSettings> concrete_settings(const KernelBuild& build);
Result<ConcreteSettings> concrete_grad_settings(const KernelBuild& build);

}  // namespace prerank::cpu
