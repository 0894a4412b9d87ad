// Threads of one block as fibers of one host thread.
#pragma once

#include <functional>

#include "emulator.h"

namespace prerank::emulator {

// Runs one block to its end. Threads start in ascending order, or in descending order with `reverse`.
void run_block(const Indices& block_index, const Indices& block, const Indices& grid, bool reverse,
               const std::function<void()>& body);

}  // namespace prerank::emulator
