#include "prerank/bfloat16.h"

#include <bit>
#include <cmath>
#include <cstddef>

namespace prerank {
namespace {

Bfloat16 nearest(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return {static_cast<uint16_t>(bits >> 16 | 0x40u)};
  const uint32_t odd = bits >> 16 & 1u;
  return {static_cast<uint16_t>((bits + 0x7fffu + odd) >> 16)};
}

}  // namespace

void to_bfloat16(std::span<const float> from, std::span<Bfloat16> to) {
  for (size_t i = 0; i < from.size(); ++i) to[i] = nearest(from[i]);
}

void to_float(std::span<const Bfloat16> from, std::span<float> to) {
  for (size_t i = 0; i < from.size(); ++i) to[i] = std::bit_cast<float>(uint32_t{from[i].bits} << 16);
}

}  // namespace prerank
