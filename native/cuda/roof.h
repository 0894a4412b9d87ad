// What a device does at most: the yardstick of the kernel benchmarks.
#pragma once

#include "prerank/cuda.h"

namespace prerank::cuda {

// kInvalidArgument when a size is 0. The matrices hold random numbers: products of zeros take less power, and so run faster.
Result<CudaRoof> measure_roof(int device, const CudaRoofSizes& sizes);

}  // namespace prerank::cuda
