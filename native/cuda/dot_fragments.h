// The dot interaction on tensor cores, operands rounded to tf32 or bfloat16, sums in float32.
#pragma once

#include "cuda/kernel.h"
#include "cuda/launch.h"
#include "prerank/parameter_store.h"

namespace prerank::cuda {

// A row's vectors, one behind the other.
struct DotVectors {
  unsigned int features = 0, dim = 0;
};

// Rows of more vectors are multiplied in float32 whatever the precision.
inline constexpr size_t kMaxFragmentFeatures = 64;

inline bool takes_fragments(MatmulPrecision precision, size_t features) {
  return precision != MatmulPrecision::kFloat32 && features <= kMaxFragmentFeatures;
}

// y = the pairs i > j of T T^T for each row of x.
Status enqueue_dot_fragments(cudaStream_t stream, MatmulPrecision precision, size_t rows, const DotVectors& vectors,
                             const Matrix& x, const Matrix& y);
// dx = (or, with accumulate, +=) (G + G^T) T, with G the triangle dy.
Status enqueue_dot_fragments_grad(cudaStream_t stream, MatmulPrecision precision, size_t rows,
                                  const DotVectors& vectors, const Matrix& dy, const Matrix& x, bool accumulate, const Matrix& dx);

}  // namespace prerank::cuda
