// What processor this is, for reports.
#pragma once

#include <cstddef>
#include <string>

namespace prerank {

// Model name as the kernel reports it, "unknown" when it does not.
std::string cpu_model();
// Cores this process may run on, at least 1.
size_t usable_cores();

}  // namespace prerank
