// How long memory takes to deliver some bytes: the yardstick of what reads every value of a column once.
#pragma once

#include <cstddef>
#include <span>

namespace prerank::bench {

// Adds up all whole 64-byte lines of the buffers, one buffer after the other, on the calling thread. Returns seconds.
double time_read(std::span<const std::span<const std::byte>> buffers);

}  // namespace prerank::bench
