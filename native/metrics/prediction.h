// What a model's head gave for every row, and how it is read.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace prerank {

enum class Link : uint8_t { kIdentity, kSigmoid };

struct Prediction {
  std::span<const float> outputs = {};  // one a row of the dataset
  Link link = Link::kIdentity;
  double scale = 1, shift = 0;  // identity: output / scale + shift

  double read(float output) const {
    const auto x = static_cast<double>(output);
    if (link == Link::kIdentity) return x / scale + shift;
    const double decay = std::exp(-std::abs(x));
    return (x >= 0 ? 1.0 : decay) / (1 + decay);
  }
  double at(size_t row) const { return read(outputs[row]); }
};

// Bits that order like the number, -0 as 0; and back.
inline uint32_t ordered_bits(float value) {
  const auto bits = std::bit_cast<uint32_t>(value + 0.0f);
  return bits >> 31 != 0 ? ~bits : bits | 1u << 31;
}
inline float from_ordered_bits(uint32_t bits) {
  return std::bit_cast<float>(bits >> 31 != 0 ? bits & ~(1u << 31) : ~bits);
}

}  // namespace prerank
