// Attribute `events` of a cross entropy over nested events: tasks, the innermost event first.
#pragma once

#include <vector>

#include "cpu/operands.h"

namespace prerank::cpu {

struct NestedEvents {
  std::vector<size_t> tasks;
  uint32_t mask = 0;  // of rows that have every label
};

Result<NestedEvents> nested_events(const KernelBuild& build);

}  // namespace prerank::cpu
