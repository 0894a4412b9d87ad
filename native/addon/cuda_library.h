// Opens the CUDA library when a GPU is asked for or described.
#pragma once

#include "prerank/cuda.h"

namespace prerank::addon {

// PRERANK_CUDA_LIBRARY, or libprerank_cuda.so beside the addon. kUnsupported with the reason: not built, not loadable (the
// loader's message), of another build.
Result<const CudaLibrary*> cuda_library();

}  // namespace prerank::addon
