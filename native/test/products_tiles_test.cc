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

// What has no three parts gives NaN, in its row alone; what is large has them.
TEST_F(ProductsTiles, GiveNanForWhatIsInfiniteWhenRounded) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> w(kOut * kIn, 0.5f);
  const auto outputs = [&](float special) {
    std::vector<float> x(3 * kIn, 1);
    x[kIn + 7] = special;
    return linear(cpu::Isa::kAmx, x, w);
  };
  for (const float special : {kInfinity, -kInfinity, kNan, std::numeric_limits<float>::max()}) {
    const std::vector<float> y = outputs(special);
    for (size_t o = 0; o < kOut; ++o) {
      EXPECT_EQ(y[o], kIn / 2.0f);
      EXPECT_TRUE(std::isnan(y[kOut + o]));
      EXPECT_EQ(y[2 * kOut + o], kIn / 2.0f);
    }
  }
  for (const float special : {std::ldexp(1.0f, 112), std::ldexp(0x1.010101p0f, 126), std::ldexp(-1.0f, 127)}) {
    EXPECT_EQ(outputs(special)[kOut], special / 2);
  }
}

// Depths of several parts and a rest, columns of several groups, in all directions; some entries against float64.
TEST_F(ProductsTiles, OfLargeLayersAddUp) {
  constexpr size_t kDeep = 1125, kWide = 300, kCount = 67;
  const std::vector<float> x = random_floats(kCount * kDeep, 1), w = random_floats(kWide * kDeep, 2),
                           d = random_floats(kCount * kWide, 3), start = random_floats(kWide * kDeep, 4);
  const std::vector<int64_t> shape = {kWide, kDeep};
  const auto run = [&](const char* operation, bool narrow, auto&& prepare) {
    OpHarness harness(operation, kCount);
    harness.bfloat16_products = narrow;
    const int32_t result = prepare(harness);
    harness.run_on_cpu(100);
    harness.expect_sentinels();
    return harness.read(result);
  };
  for (const bool narrow : {false, true}) {
    const std::vector<float> y = run("linear", narrow, [&](OpHarness& h) {
      h.op.inputs = {h.value(kDeep, x), h.value(kWide * kDeep, w, Domain::kNone, shape)};
      h.op.outputs = {h.value(kWide)};
      return h.op.outputs[0];
    });
    const std::vector<float> dx = run("linear.dx", narrow, [&](OpHarness& h) {
      h.op.inputs = {h.value(kWide, d), h.value(kWide * kDeep, w, Domain::kNone, shape)};
      h.op.outputs = {h.value(kDeep)};
      return h.op.outputs[0];
    });
    const std::vector<float> dw = run("linear.dw", narrow, [&](OpHarness& h) {
      h.op.inputs = {h.value(kWide, d), h.value(kDeep, x)};
      h.op.outputs = {h.value(kWide * kDeep, start, Domain::kNone, shape)};
      return h.op.outputs[0];
    });
    // Relative to the sum of the products' magnitudes; a rounded factor is off by at most 2^-9.
    const auto expect_sum = [&](float got, double begin, size_t count, auto&& product) {
      double sum = begin, size = std::abs(begin);
      for (size_t k = 0; k < count; ++k) sum += product(k), size += std::abs(product(k));
      ASSERT_NEAR(got, sum, (narrow ? 0x1p-8 : 3e-7) * size);
    };
    for (size_t i = 0; i < 5000; ++i) {
      const size_t r = i * 31 % kCount, o = i * 37 % kWide, k = i * 41 % kDeep;
      expect_sum(y[r * kWide + o], 0, kDeep, [&](size_t j) { return double{x[r * kDeep + j]} * w[o * kDeep + j]; });
      expect_sum(dx[r * kDeep + k], 0, kWide, [&](size_t j) { return double{d[r * kWide + j]} * w[j * kDeep + k]; });
      expect_sum(dw[o * kDeep + k], start[o * kDeep + k], kCount,
                 [&](size_t j) { return double{d[j * kWide + o]} * x[j * kDeep + k]; });
    }
  }
}

}  // namespace
}  // namespace prerank::test
