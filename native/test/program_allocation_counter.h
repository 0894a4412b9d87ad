// How often this test binary has allocated with operator new.
#pragma once

#include <cstddef>

namespace prerank::testing {

size_t allocation_count();

}  // namespace prerank::testing
