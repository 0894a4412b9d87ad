// What an optimizer keeps of a parameter.
#pragma once

#include <vector>

#include "prerank/parameter_store.h"

namespace prerank {

// One slot of an optimizer's state: its name and whether it has one value per table row.
struct StateLayout {
  const char* name;
  bool per_row = false;
};

// In the order of ParameterStore::state().
std::vector<StateLayout> state_layouts(const SparseOptimizer& optimizer);
std::vector<StateLayout> state_layouts(const DenseOptimizer& optimizer);

}  // namespace prerank
