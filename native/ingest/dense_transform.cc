#include "ingest/dense_transform.h"

#include <cmath>

namespace prerank::ingest {

void transform_dense(std::span<const DenseTransform> transforms, double mean, double deviation, double* values,
                     size_t count) {
  for (const DenseTransform transform : transforms) {
    if (transform == DenseTransform::kLog1p) {
      for (size_t i = 0; i < count; ++i) values[i] = std::copysign(std::log1p(std::fabs(values[i])), values[i]);
    } else {
      for (size_t i = 0; i < count; ++i) values[i] = (values[i] - mean) / deviation;
    }
  }
}

}  // namespace prerank::ingest
