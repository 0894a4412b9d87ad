// What a parameter store refuses before it allocates anything; kInvalidArgument says what and why.
#pragma once

#include <cstddef>

#include "prerank/parameter_store.h"
#include "prerank/status.h"

namespace prerank {

// Name, dimensions of a table and scale of the init.
Status check_spec(const ParameterSpec& spec);
// Product of the shape, all of whose dimensions must be positive.
Result<size_t> element_count(const ParameterSpec& spec);
// Every constant is finite and in its range.
Status check_optimizers(const SparseOptimizer& sparse, const DenseOptimizer& dense);

}  // namespace prerank
