// How much memory this process may use.
#pragma once

#include <cstddef>

namespace prerank {

// Bytes of physical memory, or of the control group's limit where that is lower. 0 when the system says neither.
size_t usable_memory();

}  // namespace prerank
