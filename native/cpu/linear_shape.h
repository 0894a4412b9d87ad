// What linear and its gradients share: the weight's shape and the activation on every device, and on the CPU the choice
// between blocked products and the thin loops.
#pragma once

#include <optional>

#include "cpu/operands.h"

namespace prerank::cpu {

struct LinearShape {
  size_t in = 0, out = 0;
};

// Up to so many outputs a dot product per output is cheaper than a block of the result. What runs once a step is not worth
// a packed weight either.
inline constexpr size_t kThinOutputs = 4;
inline bool is_thin(const KernelBuild& build, const LinearShape& shape) {
  return shape.out <= kThinOutputs || build.segment_domain == Domain::kNone;
}

// What is done with the result: relu, sigmoid, tanh, or nothing.
Result<std::optional<MapFunction>> linear_activation(const KernelBuild& build);

// Shape of the weight [out, in]; both must match the widths at hand.
Result<LinearShape> linear_shape(const KernelBuild& build, const PlanValue& weight, size_t in, size_t out);

}  // namespace prerank::cpu
