// The transforms of dense features.
#pragma once

#include <cstddef>
#include <span>

#include "prerank/ingest.h"

namespace prerank::ingest {

// In place, in float64: log1p is sign(x) · log(1 + |x|), standardize is (x − mean) / deviation.
void transform_dense(std::span<const DenseTransform> transforms, double mean, double deviation, double* values,
                     size_t count);

}  // namespace prerank::ingest
