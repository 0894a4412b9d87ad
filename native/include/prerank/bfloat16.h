// The upper half of a float32: 8 bits of exponent, 7 of mantissa. Arithmetic is done in float32.
#pragma once

#include <cstdint>
#include <span>

namespace prerank {

struct Bfloat16 {
  uint16_t bits;
};

// To the nearest, ties to even; NaN stays NaN. Spans have equal lengths.
void to_bfloat16(std::span<const float> from, std::span<Bfloat16> to);
// Exact.
void to_float(std::span<const Bfloat16> from, std::span<float> to);

}  // namespace prerank
