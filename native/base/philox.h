// Philox4x32-10: a counter-based random number generator. The same counter and key give the same bits on every
// device, tile and thread. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace prerank {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

constexpr PhiloxKey philox_key(uint64_t seed) {
  return {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
}

// Four random words. Always inlined: files compiled for several instruction sets must not share one copy.
[[gnu::always_inline]] constexpr PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * counter[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(p0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

// The upper 24 bits of a word as a float in [0, 1).
[[gnu::always_inline]] constexpr float unit_float(uint32_t word) {
  return static_cast<float>(word >> 8) * 0x1p-24f;
}

// The words that decide element `element` of row `row` under operation `op` in step `step` are lane element % 4 of this.
[[gnu::always_inline]] constexpr PhiloxCounter op_counter(uint64_t step, int32_t op, size_t row, size_t element) {
  return {static_cast<uint32_t>(element / 4), static_cast<uint32_t>(row), static_cast<uint32_t>(op),
          static_cast<uint32_t>(step)};
}

}  // namespace prerank
