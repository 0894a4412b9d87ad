#include "tensor_cores.h"

#include <array>
#include <bit>
#include <cmath>

#include "emulator.h"

namespace prerank::emulator {
namespace {

constexpr size_t kLanes = 32, kGroups = 8;
constexpr size_t kRegistersOfA = 4, kRegistersOfB = 2;

// Registers of every lane: first those of A, then those of B.
using Registers = std::array<std::array<uint32_t, kRegistersOfA + kRegistersOfB>, kLanes>;

Registers gather(const uint32_t (&a)[4], const uint32_t (&b)[2], const std::source_location& site) {
  const uint64_t own[] = {uint64_t{a[0]} << 32 | a[1], uint64_t{a[2]} << 32 | a[3], uint64_t{b[0]} << 32 | b[1]};
  Registers all;
  for (size_t pair = 0; pair < 3; ++pair) {
    const uint64_t* const lanes = warp_exchange(0xffffffffu, own[pair], site);
    for (size_t l = 0; l < kLanes; ++l) {
      all[l][2 * pair] = static_cast<uint32_t>(lanes[l] >> 32);
      all[l][2 * pair + 1] = static_cast<uint32_t>(lanes[l]);
    }
  }
  return all;
}

// Where the element (row, k) of A, or (k, column) of B, is: row % 8 and column are the lane's group. A register holds
// one tf32 for a member of the group, or two bfloat16.
struct Tf32 {
  static constexpr size_t depth = 8;
  static size_t member(size_t k) { return k % 4; }
  static size_t half(size_t k) { return k / 4; }
  // Only the upper 19 bits count.
  static double value(uint32_t bits, size_t) { return std::bit_cast<float>(bits & 0xffffe000u); }
};
struct Bfloat16s {
  static constexpr size_t depth = 16;
  static size_t member(size_t k) { return k % 8 / 2; }
  static size_t half(size_t k) { return k / 8; }
  static double value(uint32_t bits, size_t k) {
    return std::bit_cast<float>(k % 2 == 0 ? bits << 16 : bits & 0xffff0000u);
  }
};

template <class Type>
void multiply(float (&c)[4], const Registers& of) {
  const auto own = static_cast<size_t>(lane());
  for (size_t i = 0; i < 4; ++i) {
    const size_t row = own / 4 + i / 2 * kGroups, column = own % 4 * 2 + i % 2;
    auto sum = static_cast<double>(c[i]);
    for (size_t k = 0; k < Type::depth; ++k) {
      const uint32_t a = of[row % kGroups * 4 + Type::member(k)][row / kGroups + 2 * Type::half(k)];
      const uint32_t b = of[column * 4 + Type::member(k)][kRegistersOfA + Type::half(k)];
      sum += Type::value(a, k) * Type::value(b, k);
    }
    c[i] = static_cast<float>(sum);
  }
}

uint32_t to_bfloat16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  if (std::isnan(x)) return 0x7fff;
  return (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}

}  // namespace

uint32_t to_tf32(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  if (std::isnan(x)) return 0x7fffffff;
  return (bits + 0x1000u) & 0xffffe000u;
}

uint32_t to_bfloat16_pair(float low, float high) { return to_bfloat16(high) << 16 | to_bfloat16(low); }

void multiply_tf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const std::source_location& site) {
  multiply<Tf32>(c, gather(a, b, site));
}

void multiply_bfloat16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                       const std::source_location& site) {
  multiply<Bfloat16s>(c, gather(a, b, site));
}

}  // namespace prerank::emulator
