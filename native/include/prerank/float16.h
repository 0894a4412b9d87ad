// IEEE 754 binary16: 5 bits of exponent, 10 of mantissa; from 2^-14 down multiples of 2^-24, the largest is 65504.
// Arithmetic is done in float32.
#pragma once

#include <cstdint>
#include <span>

namespace prerank {

struct Float16 {
  uint16_t bits;
};

// To the nearest, ties to even; what is finite stays finite (beyond ±65504 that is the nearest), NaN stays NaN. Spans
// have equal lengths.
void to_float16(std::span<const float> from, std::span<Float16> to);
// Exact.
void to_float(std::span<const Float16> from, std::span<float> to);

}  // namespace prerank
