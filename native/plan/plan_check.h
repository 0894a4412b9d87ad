// Whether a plan can be executed: everything the program and the kernels rely on without looking again.
#pragma once

#include "prerank/parameter_store.h"
#include "prerank/plan.h"
#include "prerank/status.h"

namespace prerank {

// Indices, roots and views, arena bounds, segments, inputs, parameters against the store, gradients, tasks, outputs.
// What an operation demands of its operands is its kernel's to check. Errors name the value, layer or parameter.
Status check_plan(const Plan& plan, const ParameterStore& store);

// Elements of a shape, or kInvalidArgument naming `what` for a dimension below 1 or an overflow. [] has one.
Result<int64_t> shape_elements(const std::vector<int64_t>& shape, const std::string& what);

}  // namespace prerank
