// Programs on a CUDA device.
#pragma once

#include <memory>

#include "prerank/program.h"

namespace prerank::cuda {

// On the store's device, where its tensors move with the first program. kUnsupported, with the reason, where there is no such
// device, no cuBLASLt, or an operation or option that runs on the CPU only.
Result<std::unique_ptr<Program>> create_program(Plan plan, std::shared_ptr<ParameterStore> store,
                                                const ProgramOptions& options);

}  // namespace prerank::cuda
