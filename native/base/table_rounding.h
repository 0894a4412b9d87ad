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

// 32 random bits for a column, of which the upper ones are the better: two rounds of multiply and shift over key and
// column.
[[gnu::always_inline]] constexpr uint32_t column_rounding(uint64_t row, uint32_t column) {
  uint32_t x = static_cast<uint32_t>(row) + column;
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  return x ^ static_cast<uint32_t>(row >> 32);
}

// What a bfloat16 becomes of a float32's bits: what is cut off decides how often the random bits carry into the rest.
[[gnu::always_inline]] constexpr uint32_t rounded_to_bfloat16(uint32_t bits, uint32_t random) {
  return (bits + (random >> 16)) >> 16;
}

// What a Float16 becomes of a float32's bits: one of its neighbours, the nearer the more probable, in steps of 2^-24 of
// their distance; itself where a Float16 holds it. Finite values stay finite, infinity and NaN stay what they are.
[[gnu::always_inline]] constexpr uint32_t rounded_to_float16(uint32_t bits, uint32_t random) {
  constexpr uint32_t kInfinity = 0x7f800000u;
  constexpr uint32_t kLargest = 0x477fe000u;  // 65504
  constexpr uint32_t kNormal = 113;           // exponent of 2^-14: below, the spacing stays
  const uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude >= kInfinity) return sign | (magnitude == kInfinity ? 0x7c00u : 0x7e00u);
  const uint32_t finite = magnitude < kLargest ? magnitude : kLargest;
  const uint32_t exponent = finite >> 23, binade = exponent > kNormal ? exponent : kNormal;
  const uint32_t cut = 13 + binade - exponent;
  // In units of 2^-24 of the spacing. A subnormal float32, without the leading bit that is put here, is as little as 0.
  const uint64_t fixed = uint64_t{(finite & 0x7fffffu) | 0x800000u} << 24 >> (cut < 63 ? cut : 63);
  return sign | (static_cast<uint32_t>((fixed + (random >> 8)) >> 24) + ((binade - kNormal) << 10));
}

}  // namespace prerank
