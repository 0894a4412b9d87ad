// Sums over all rows of a matrix, added to a gradient. Partial sums over chunks of rows go to scratch, then one kernel
// adds them, all in a fixed order.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include "prerank/status.h"

namespace prerank::cuda {

// Floats of scratch for up to `rows` rows of `width` columns.
size_t column_sum_scratch(size_t rows, size_t width);

// out[c] += sum over the rows r of x[r * stride + c].
Status add_column_sums(cudaStream_t stream, size_t rows, size_t width, const float* x, size_t stride, float* scratch,
                       float* out);

// *out += sum of all elements, in double from the partial sums on. Takes the scratch of column sums.
Status add_total(cudaStream_t stream, size_t rows, size_t width, const float* x, size_t stride, float* scratch,
                 float* out);

}  // namespace prerank::cuda
