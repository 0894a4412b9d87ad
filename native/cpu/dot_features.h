// Number of vectors of width `dim` (attribute) in x, checked; their pairs fill a value of width `pairs`.
#pragma once

#include "cpu/operands.h"

namespace prerank::cpu {

Result<size_t> dot_features(const KernelBuild& build, const View& x, size_t pairs);

}  // namespace prerank::cpu
