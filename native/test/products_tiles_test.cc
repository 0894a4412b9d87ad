// Float32 products that are made of products of bfloat16 tiles: as exact as sums of fused multiply-adds.
#include <cmath>
#include <limits>
#include <utility>

#include "kernel_harness.h"

namespace prerank::test {
namespace {

constexpr size_t kRows = 70, kIn = 517, kOut = 75;

class ProductsTiles : public testing::Test {
 protected:
  void SetUp() override {
    before_ = cpu::isa();
    if (!cpu::set_isa_for_test(cpu::Isa::kAmx)) GTEST_SKIP() << "this processor has no amx";
  }
  void TearDown() override { cpu::set_isa_for_test(before_); }

  // x W^T with `isa`.
  static std::vector<float> linear(cpu::Isa isa, const std::vector<float>& x, const std::vector<float>& w) {
    EXPECT_TRUE(cpu::set_isa_for_test(isa));
    OpHarness harness("linear", x.size() / kIn);
    harness.op.inputs = {harness.value(kIn, x), harness.value(kOut * kIn, w, Domain::kNone, {kOut, kIn})};
    const int32_t y = harness.value(kOut);
    harness.op.outputs = {y};
    harness.run_on_cpu(kRows);
    return harness.read(y);
  }

 private:
  cpu::Isa before_ = cpu::Isa::kBaseline;
};

// Root mean square of errors, each relative to the sum of its products' magnitudes.
double error(const std::vector<float>& got, const std::vector<float>& x, const std::vector<float>& w) {
  double sum = 0;
  for (size_t r = 0; r < got.size() / kOut; ++r) {
    for (size_t o = 0; o < kOut; ++o) {
      double want = 0, size = 0;
      for (size_t k = 0; k < kIn; ++k) {
        const double product = static_cast<double>(x[r * kIn + k]) * static_cast<double>(w[o * kIn + k]);
        want += product;
        size += std::abs(product);
      }
      const double off = (static_cast<double>(got[r * kOut + o]) - want) / size;
      sum += off * off;
    }
  }
  return std::sqrt(sum / static_cast<double>(got.size()));
}

// Magnitudes from 2^-20 to 2^20, so that a few products decide a sum and the rest is lost unless it is added exactly.
std::vector<float> uneven(size_t count, uint64_t seed) {
  std::vector<float> values = random_floats(count, seed);
  const std::vector<float> exponents = random_floats(count, seed + 1, -20, 20);
  for (size_t i = 0; i < count; ++i) values[i] *= std::exp2(exponents[i]);
  return values;
}

TEST_F(ProductsTiles, AreAsExactAsFusedMultiplyAdds) {
  const std::vector<float> even_x = random_floats(kRows * kIn, 1), even_w = random_floats(kOut * kIn, 2);
  const std::vector<float> positive_x = random_floats(kRows * kIn, 3, 0.5f, 1),
                           positive_w = random_floats(kOut * kIn, 4, 0.5f, 1);
  const std::vector<float> uneven_x = uneven(kRows * kIn, 5), uneven_w = uneven(kOut * kIn, 7);
  for (const auto& [x, w] :
       {std::pair(even_x, even_w), std::pair(positive_x, positive_w), std::pair(uneven_x, uneven_w)}) {
    EXPECT_LT(error(linear(cpu::Isa::kAmx, x, w), x, w), error(linear(cpu::Isa::kAvx512, x, w), x, w));
  }
}

// One bit of the smallest part decides each of these.
TEST_F(ProductsTiles, UseEveryBitOfAnOperand) {
  std::vector<float> x(2 * kIn), w(kOut * kIn);
  for (size_t bit = 0; bit < 24; ++bit) {
    for (size_t k = 0; k < kIn; ++k) x[k] = 1 + std::ldexp(1.0f, -static_cast<int>(bit)), x[kIn + k] = -1;
    std::fill(w.begin(), w.end(), 0.0f);
    for (size_t o = 0; o < kOut; ++o) w[o * kIn + 7 * o % kIn] = 1;
    const std::vector<float> y = linear(cpu::Isa::kAmx, x, w);
    for (size_t o = 0; o < kOut; ++o) {
      ASSERT_EQ(y[o], x[0]) << bit;
      ASSERT_EQ(y[kOut + o], -1);
    }
  }
}

// What has no three parts gives NaN, in its row alone.
TEST_F(ProductsTiles, GiveNanForWhatIsTooLarge) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> w(kOut * kIn, 0.5f);
  for (const float special : {kInfinity, -kInfinity, kNan, std::ldexp(1.0f, 112)}) {
    std::vector<float> x(3 * kIn, 1);
    x[kIn + 7] = special;
    const std::vector<float> y = linear(cpu::Isa::kAmx, x, w);
    for (size_t o = 0; o < kOut; ++o) {
      EXPECT_EQ(y[o], kIn / 2.0f);
      EXPECT_TRUE(std::isnan(y[kOut + o]));
      EXPECT_EQ(y[2 * kOut + o], kIn / 2.0f);
    }
  }
}

}  // namespace
}  // namespace prerank::test
