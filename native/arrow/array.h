// Decoded columns: what the Arrow C data interface can hand over, all values checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "arrow/schema.h"

namespace prerank::arrow {

inline constexpr int32_t kMaxDecimalDigits = 38;

struct Array {
  uint64_t length = 0;
  uint64_t null_count = 0;
  const std::byte* validity = nullptr;              // a bit a value, 1 = valid; null without nulls
  std::vector<std::span<const std::byte>> buffers;  // after the validity, in the order of the C data interface
  std::vector<Array> children;                      // of lists

  bool valid(uint64_t index) const {
    return validity == nullptr || (validity[index / 8] & (std::byte{1} << (index % 8))) != std::byte{0};
  }
};

// What a column may be good for.
enum class Use : uint8_t {
  kKept,
  kLeftOut,  // no feature or role can use it: structs, maps, unions, binary, durations, intervals
  kRefused,  // a usable column in an encoding that is not read
};
Use use_of(const Field& field);

// The field as it is after decoding: half floats are float32, decimals 128 bits wide, fixed-size lists large lists,
// dictionary-encoded strings string views and other dictionary-encoded values plain.
Field decoded_field(const Field& field);

// Bits of a value of a fixed-width type, 0 for others.
uint64_t value_bits(const Type& type);

}  // namespace prerank::arrow
