// Which cores this process may run on. Benchmarks pin themselves, so that one core means one core.
#pragma once

#include <cstddef>
#include <vector>

#include "prerank/status.h"

namespace prerank::bench {

// Cores of the calling thread, ascending. Empty where the system does not say.
std::vector<size_t> allowed_cores();

// Moves every thread of the process, and those they will start, to these cores. kUnsupported where the system has no
// affinity, kInvalidArgument for cores that the process may not use.
Status pin_process(const std::vector<size_t>& cores);

}  // namespace prerank::bench
