// Random bits by which updated weights of 16-bit tables are rounded: a function of seed, step, table, row and column,
// so that neither device, instruction set nor threads change them. Always inlined: files compiled for several
// instruction sets must not share one copy.
#pragma once

#include <cstdint>
#include <string>

#include "base/philox.h"

namespace prerank {

// A table's stream; another than that of its initial values.
uint64_t rounding_stream(const std::string& table);

// What the bits of one table in one step follow from.
[[gnu::always_inline]] constexpr uint64_t table_rounding(uint64_t seed, uint64_t step, uint64_t stream) {
  const PhiloxCounter words = philox4x32({static_cast<uint32_t>(step), static_cast<uint32_t>(step >> 32),
                                          static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)},
                                         philox_key(seed));
  return uint64_t{words[0]} << 32 | words[1];
}

// A row's two keys, the first in the lower half: SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014) over the row.
[[gnu::always_inline]] constexpr uint64_t row_rounding(uint64_t rounding, uint32_t row) {
  uint64_t x = rounding + (uint64_t{row} + 1) * 0x9E3779B97F4A7C15u;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

// 16 random bits for a column: two rounds of multiply and shift over key and column, upper half.
[[gnu::always_inline]] constexpr uint32_t column_rounding(uint64_t row, uint32_t column) {
  uint32_t x = static_cast<uint32_t>(row) + column;
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  x ^= static_cast<uint32_t>(row >> 32);
  return x >> 16;
}

}  // namespace prerank
