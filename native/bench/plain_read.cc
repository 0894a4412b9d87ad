#include "bench/plain_read.h"

#include <chrono>
#include <cstdint>
#include <cstring>

#include "bench/sampling.h"

namespace prerank::bench {
namespace {

using Words = uint64_t __attribute__((vector_size(32)));

constexpr size_t kLine = 64;

}  // namespace

double time_read(std::span<const std::span<const std::byte>> buffers) {
  Words sums[2] = {};
  const auto start = std::chrono::steady_clock::now();
  for (const std::span<const std::byte> buffer : buffers) {
    const std::byte* const end = buffer.data() + buffer.size() / kLine * kLine;
    for (const std::byte* line = buffer.data(); line != end; line += kLine) {
      Words words[2];
      std::memcpy(words, line, kLine);
      sums[0] += words[0];
      sums[1] += words[1];
    }
  }
  const double seconds = seconds_since(start);
  asm volatile("" : : "m"(sums) : "memory");  // what nobody looks at would not be read
  return seconds;
}

}  // namespace prerank::bench
