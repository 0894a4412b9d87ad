// Columns of operations that take a row in groups, checked.
#pragma once

#include "cpu/operands.h"

namespace prerank::cpu {

// Columns of a softmax: attribute `group`, default all.
Result<size_t> softmax_group(const KernelBuild& build, size_t width);

// Checks that x holds `experts` (attribute) blocks as wide as y, and that there is a gate for each.
Result<size_t> gated_experts(const KernelBuild& build, const View& gates, const View& x, const View& y);

// Columns of a group where `groups` of them fill `width`.
Result<size_t> group_dim(const KernelBuild& build, size_t groups, size_t width);

}  // namespace prerank::cpu
