// Float16: what its bits mean, the nearest of a float32, and the neighbours between which updates choose.
#include "prerank/float16.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "base/table_rounding.h"

namespace prerank::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLargest = 65504;

float widened(uint32_t bits) {
  const Float16 half = {static_cast<uint16_t>(bits)};
  float value = 0;
  to_float(std::span(&half, 1), std::span(&value, 1));
  return value;
}

uint32_t nearest(float value) {
  Float16 half = {};
  to_float16(std::span<const float>(&value, 1), std::span(&half, 1));
  return half.bits;
}

uint32_t rounded(float value, uint32_t random) { return rounded_to_float16(std::bit_cast<uint32_t>(value), random); }

bool is_nan(uint32_t half) { return (half & 0x7c00u) == 0x7c00u && (half & 0x3ffu) != 0; }

// IEEE 754, 3.4: (-1)^S 2^(E - 15) (1 + T / 2^10), or 2^-14 T / 2^10 for E = 0.
double meaning(uint32_t half) {
  const int exponent = static_cast<int>(half >> 10 & 0x1fu), mantissa = static_cast<int>(half & 0x3ffu);
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return (half & 0x8000u) != 0 ? -magnitude : magnitude;
}

// Of every exponent that float32 has.
std::vector<float> finite_floats() {
  std::mt19937 random(3);
  std::vector<float> values;
  for (uint32_t exponent = 0; exponent < 255; ++exponent) {
    for (int i = 0; i < 40; ++i) {
      values.push_back(std::bit_cast<float>(exponent << 23 | (static_cast<uint32_t>(random()) & 0x807fffffu)));
    }
  }
  return values;
}

TEST(Float16, HoldsWhatItsBitsMean) {
  for (uint32_t half = 0; half < 0x10000u; ++half) {
    if ((half & 0x7c00u) == 0x7c00u) continue;
    ASSERT_EQ(static_cast<double>(widened(half)), meaning(half)) << half;
    ASSERT_EQ(std::signbit(widened(half)), (half & 0x8000u) != 0) << half;
  }
  EXPECT_EQ(widened(0x7c00u), kInfinity);
  EXPECT_EQ(widened(0xfc00u), -kInfinity);
  EXPECT_TRUE(std::isnan(widened(0x7c01u)));
  EXPECT_TRUE(std::isnan(widened(0xfe00u)));
}

TEST(Float16, IsTheNearestAndTiesGoToEven) {
  std::vector<float> values = finite_floats();
  for (uint32_t half = 0; half < 0x7bffu; ++half) {
    const float middle = (widened(half) + widened(half + 1)) / 2;
    values.insert(values.end(), {middle, std::nextafter(middle, 0.0f), std::nextafter(middle, kInfinity)});
  }
  for (const float value : values) {
    const auto exact = static_cast<double>(value);
    if (std::abs(value) > kLargest) continue;
    const uint32_t half = nearest(value);
    const double off = std::abs(meaning(half) - exact);
    for (const uint32_t other : {half - 1, half + 1}) {
      if ((other & 0x7fffu) >= 0x7c00u) continue;
      const double other_off = std::abs(meaning(other) - exact);
      ASSERT_TRUE(off < other_off || (off == other_off && (half & 1u) == 0)) << value;
    }
  }
}

TEST(Float16, KeepsWhatItHolds) {
  for (uint32_t half = 0; half < 0x10000u; ++half) {
    if (is_nan(half)) continue;
    const float value = widened(half);
    ASSERT_EQ(nearest(value), half);
    for (const uint32_t random : {0u, 0x7fffffffu, 0xffffffffu}) ASSERT_EQ(rounded(value, random), half) << random;
  }
}

TEST(Float16, StaysFiniteUnlessItIsNot) {
  for (const float value : {kLargest, 65504.004f, 65519.996f, 65520.0f, 65536.0f, 1e30f, 3.4e38f}) {
    EXPECT_EQ(nearest(value), 0x7bffu) << value;
    EXPECT_EQ(nearest(-value), 0xfbffu) << value;
    for (const uint32_t random : {0u, 0xffffffffu}) {
      EXPECT_EQ(rounded(value, random), 0x7bffu) << value;
      EXPECT_EQ(rounded(-value, random), 0xfbffu) << value;
    }
  }
  for (const uint32_t random : {0u, 0xffffffffu}) {
    EXPECT_EQ(rounded(kInfinity, random), 0x7c00u);
    EXPECT_EQ(rounded(-kInfinity, random), 0xfc00u);
    for (const uint32_t nan : {0x7f800001u, 0x7fc00000u, 0x7fffffffu, 0xffffffffu}) {
      EXPECT_TRUE(is_nan(rounded_to_float16(nan, random))) << nan;
      EXPECT_TRUE(is_nan(nearest(std::bit_cast<float>(nan)))) << nan;
    }
  }
  EXPECT_EQ(nearest(kInfinity), 0x7c00u);
  EXPECT_EQ(nearest(-kInfinity), 0xfc00u);
}

// As many of 2^24 equally likely numbers round away from 0 as the distance to the neighbour that is nearer to 0 has
// parts of 2^-24 of the spacing: the probability of each neighbour.
TEST(Float16, RoundsInProportionToTheDistances) {
  for (const float value : finite_floats()) {
    const double magnitude = std::abs(static_cast<double>(value));
    if (magnitude >= static_cast<double>(kLargest)) continue;
    const double spacing = std::ldexp(1.0, std::max(-14, magnitude == 0 ? -14 : std::ilogb(magnitude)) - 10);
    const double below = std::floor(magnitude / spacing) * spacing;
    const auto parts = static_cast<uint32_t>(std::floor((magnitude - below) / spacing * 0x1p24));
    const auto magnitude_with = [value](uint32_t number) {
      const uint32_t half = rounded(value, number << 8 | 0xffu);
      EXPECT_EQ((half & 0x8000u) != 0, std::signbit(value));
      return meaning(half & 0x7fffu);
    };
    ASSERT_EQ(magnitude_with(0), below) << value;
    ASSERT_EQ(magnitude_with((1u << 24) - 1), parts == 0 ? below : below + spacing) << value;
    if (parts == 0) continue;
    ASSERT_EQ(magnitude_with((1u << 24) - parts), below + spacing) << value;
    ASSERT_EQ(magnitude_with((1u << 24) - parts - 1), below) << value;
  }
}

}  // namespace
}  // namespace prerank::test
