// Where the table update finds the gradients of pooled vectors.
#pragma once

#include <cstddef>
#include <vector>

#include "cpu/optimizers.h"
#include "prerank/plan.h"

namespace prerank {

// Per id input, with a null base where it has no gradient. address_of: of a value's row 0.
template <class AddressOf>
std::vector<cpu::PooledGradient> pooled_gradients(const Plan& plan, AddressOf address_of) {
  std::vector<cpu::PooledGradient> pooled(plan.id_inputs.size());
  for (const PlanSparseGradient& gradient : plan.sparse_gradients) {
    const auto value = static_cast<size_t>(gradient.value);
    pooled[static_cast<size_t>(gradient.id_input)] = {address_of(value),
                                                      static_cast<size_t>(plan.values[value].stride)};
  }
  return pooled;
}

}  // namespace prerank
