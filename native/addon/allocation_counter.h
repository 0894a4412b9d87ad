// Counts heap allocations of the code in the addon, so that a benchmark can show that a step makes none.
#pragma once

#include <cstdint>
#include <optional>

namespace prerank::addon {

// Allocations that this thread has made in the addon's own code (operator new, malloc and relatives; those inside shared
// libraries are theirs). Nothing where the linker cannot redirect the calls.
std::optional<uint64_t> thread_allocations();

}  // namespace prerank::addon
