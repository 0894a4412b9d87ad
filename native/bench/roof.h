// What this machine can do at most, measured on the calling thread: the yardstick of the kernel benchmarks.
#pragma once

#include <cstddef>
#include <vector>

#include "prerank/status.h"

namespace prerank::bench {

// Bytes a second over a working set of `bytes`, read (or read and written) from end to end again and again.
struct Bandwidth {
  size_t bytes = 0;
  double read = 0;
  double copy = 0;  // memcpy from one half to the other; counts bytes read plus bytes written
};

struct Roof {
  double flops = 0;  // float32 multiply-adds of the active instruction set, two operations each, a second
  // The same of dense layers' products, which may be made in tiles (cpu/simd/tiles.h).
  double float32_products = 0, bfloat16_products = 0;
  std::vector<Bandwidth> bandwidth;  // ascending working sets: first-level cache to memory
};

// Takes about a second. Best of several repetitions: a roof is what is possible.
Result<Roof> measure_roof();

}  // namespace prerank::bench
