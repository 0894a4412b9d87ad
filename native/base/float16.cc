#include "prerank/float16.h"

#include <algorithm>
#include <bit>
#include <cstddef>

namespace prerank {
namespace {

constexpr uint32_t kSign = 0x80000000u, kInfinity = 0x7f800000u;
constexpr uint32_t kLargestHalf = 0x477fe000u;  // 65504
constexpr uint32_t kLeastNormal = 0x38800000u;  // 2^-14
constexpr uint32_t kRebias = 112u << 10;        // between the biases of the exponents

uint32_t nearest_magnitude(uint32_t magnitude) {
  if (magnitude >= kInfinity) return magnitude == kInfinity ? 0x7c00u : 0x7e00u;
  const uint32_t finite = std::min(magnitude, kLargestHalf);
  // Float32 from 0.5 on has the spacing of subnormal halves: the sum is rounded as they are.
  if (finite < kLeastNormal) return std::bit_cast<uint32_t>(std::bit_cast<float>(finite) + 0.5f) & 0x7ffu;
  const uint32_t odd = finite >> 13 & 1u;
  return ((finite + 0xfffu + odd) >> 13) - kRebias;
}

Float16 nearest_half(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return {static_cast<uint16_t>(nearest_magnitude(bits & ~kSign) | (bits & kSign) >> 16)};
}

float widened_half(Float16 value) {
  const uint32_t sign = uint32_t{value.bits & 0x8000u} << 16, magnitude = value.bits & 0x7fffu;
  if (magnitude < 0x400u) {
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(static_cast<float>(magnitude) * 0x1p-24f));
  }
  const uint32_t rebias = magnitude < 0x7c00u ? kRebias : 2 * kRebias;
  return std::bit_cast<float>(sign | (magnitude + rebias) << 13);
}

}  // namespace

void to_float16(std::span<const float> from, std::span<Float16> to) {
  for (size_t i = 0; i < from.size(); ++i) to[i] = nearest_half(from[i]);
}

void to_float(std::span<const Float16> from, std::span<float> to) {
  for (size_t i = 0; i < from.size(); ++i) to[i] = widened_half(from[i]);
}

}  // namespace prerank
