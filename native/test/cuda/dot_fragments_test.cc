// The dot interaction on tensor cores, against float64 of the rounded operands.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernel_harness.h"
#include "prerank/bfloat16.h"

namespace prerank::test {
namespace {

constexpr float kPoison = std::numeric_limits<float>::quiet_NaN();
constexpr double kTolerance = 4e-6;

struct DotCase {
  size_t features, dim, rows;
  size_t width() const { return features * dim; }
  size_t pairs() const { return features * (features - 1) / 2; }
};

// 10 bits of mantissa, ties away from 0.
double nearest_tf32(float x) {
  int exponent = 0;
  const double mantissa = std::frexp(static_cast<double>(x), &exponent);
  return std::ldexp(std::round(std::ldexp(mantissa, 11)), exponent - 11);
}

std::vector<double> operands(const std::vector<float>& values, MatmulPrecision precision) {
  std::vector<double> result;
  std::vector<Bfloat16> narrow(values.size());
  std::vector<float> wide(values.size());
  to_bfloat16(values, narrow);
  to_float(narrow, wide);
  for (size_t i = 0; i < values.size(); ++i) {
    result.push_back(precision == MatmulPrecision::kTf32       ? nearest_tf32(values[i])
                     : precision == MatmulPrecision::kBfloat16 ? static_cast<double>(wide[i])
                                                               : static_cast<double>(values[i]));
  }
  return result;
}

struct Expected {
  std::vector<double> y, dx;
};

Expected expected(const DotCase& c, const std::vector<double>& x, const std::vector<double>& dy) {
  Expected e = {std::vector<double>(c.rows * c.pairs()), std::vector<double>(c.rows * c.width())};
  for (size_t r = 0, pair = 0; r < c.rows; ++r) {
    for (size_t i = 0; i < c.features; ++i) {
      for (size_t j = 0; j < i; ++j, ++pair) {
        const size_t a = r * c.width() + i * c.dim, b = r * c.width() + j * c.dim;
        for (size_t k = 0; k < c.dim; ++k) {
          e.y[pair] += x[a + k] * x[b + k];
          e.dx[a + k] += dy[pair] * x[b + k];
          e.dx[b + k] += dy[pair] * x[a + k];
        }
      }
    }
  }
  return e;
}

std::vector<float> multiplied(const DotCase& c, MatmulPrecision precision, const std::vector<float>& x) {
  OpHarness harness("dotInteraction", c.rows);
  harness.device_products = precision;
  harness.op.numbers = {{"dim", static_cast<double>(c.dim)}};
  harness.op.inputs = {harness.value(c.width(), x)};
  harness.op.outputs = {harness.value(c.pairs(), std::vector<float>(c.rows * c.pairs(), kPoison))};
  harness.run();
  harness.expect_sentinels();
  return harness.read(harness.op.outputs[0]);
}

std::vector<float> gradient(const DotCase& c, MatmulPrecision precision, const std::vector<float>& dy,
                            const std::vector<float>& x, const std::vector<float>& start) {
  OpHarness harness("dotInteraction.grad", c.rows);
  harness.device_products = precision;
  harness.op.numbers = {{"dim", static_cast<double>(c.dim)}, {"accumulate", start.empty() ? 0.0 : 1.0}};
  harness.op.inputs = {harness.value(c.pairs(), dy), harness.value(c.width(), x)};
  const std::vector<float> poison(c.rows * c.width(), kPoison);
  harness.op.outputs = {harness.value(c.width(), start.empty() ? poison : start)};
  harness.run();
  harness.expect_sentinels();
  return harness.read(harness.op.outputs[0]);
}

void expect_products(const DotCase& c, MatmulPrecision precision) {
  SCOPED_TRACE(testing::Message() << c.features << " vectors of " << c.dim << ", " << c.rows << " rows, precision "
                                  << static_cast<int>(precision));
  const std::vector<float> x = random_floats(c.rows * c.width(), 1, -1, 1);
  const std::vector<float> dy = random_floats(c.rows * c.pairs(), 2, -1, 1);
  const bool rounds = c.features <= 64;
  const MatmulPrecision kept = rounds ? precision : MatmulPrecision::kFloat32;
  const Expected want = expected(c, operands(x, kept), operands(dy, kept));
  expect_near(multiplied(c, precision, x), want.y, kTolerance, "forward");
  expect_near(gradient(c, precision, dy, x, {}), want.dx, kTolerance, "gradient");
}

class DotFragments : public testing::TestWithParam<MatmulPrecision> {};

TEST_P(DotFragments, MultiplyRoundedOperands) {
  for_each_target([&] {
    for (const size_t features : {2, 3, 7, 8, 9, 16, 17, 27, 33, 64, 65}) {
      for (const size_t dim : {1, 4, 8, 13, 16, 32, 64, 128}) {
        for (const size_t rows : {1, 5}) expect_products({features, dim, rows}, GetParam());
      }
    }
  });
}

TEST_P(DotFragments, TakeManyRows) {
  for_each_target([&] {
    for (const DotCase& c :
         {DotCase{8, 32, 300}, {27, 16, 300}, {9, 36, 300}, {17, 5, 300}, {41, 12, 9}, {56, 40, 3}}) {
      expect_products(c, GetParam());
    }
  });
}

// Their warps go round twice.
TEST(DotInteraction, TakesMoreRowsThanAGridOfFragments) {
  expect_products({2, 1, 4 * 4096 + 5}, MatmulPrecision::kBfloat16);
}

TEST_P(DotFragments, TakeNoRows) {
  for_each_target([&] { expect_products({8, 32, 0}, GetParam()); });
}

TEST_P(DotFragments, AddToTheGradient) {
  for_each_target([&] {
    for (const DotCase& c : {DotCase{5, 12, 6}, {27, 36, 3}, {20, 7, 2}, {39, 36, 2}}) {
      const std::vector<float> x = random_floats(c.rows * c.width(), 1, -1, 1),
                               dy = random_floats(c.rows * c.pairs(), 2, -1, 1),
                               start = random_floats(c.rows * c.width(), 3);
      std::vector<double> want = expected(c, operands(x, GetParam()), operands(dy, GetParam())).dx;
      for (size_t i = 0; i < want.size(); ++i) want[i] += static_cast<double>(start[i]);
      expect_near(gradient(c, GetParam(), dy, x, start), want, kTolerance, "added");
    }
  });
}

// A row's numbers do not depend on the rows beside it, and a NaN of one row stays there.
TEST_P(DotFragments, RowsStandAlone) {
  const DotCase c = {6, 20, 7};
  const std::vector<float> dy = random_floats(c.rows * c.pairs(), 2);
  const std::vector<float> x = random_floats(c.rows * c.width(), 1);
  std::vector<float> poisoned = x;
  poisoned[2 * c.width() + 3] = kPoison;
  for_each_target([&] {
    const auto expect_other_rows = [&](size_t width, const std::vector<float>& got, const std::vector<float>& want) {
      for (size_t i = 0; i < want.size(); ++i) {
        if (i / width == 2) continue;
        EXPECT_EQ(got[i], want[i]) << i;
      }
    };
    const std::vector<float> y = multiplied(c, GetParam(), poisoned);
    expect_other_rows(c.pairs(), y, multiplied(c, GetParam(), x));
    EXPECT_TRUE(std::isnan(y[2 * c.pairs()]));
    expect_other_rows(c.width(), gradient(c, GetParam(), dy, poisoned, {}), gradient(c, GetParam(), dy, x, {}));
  });
}

TEST(DotInteraction, NeedsTwoVectors) {
  for (const MatmulPrecision precision : {MatmulPrecision::kFloat32, MatmulPrecision::kTf32}) {
    OpHarness harness("dotInteraction", 3);
    harness.device_products = precision;
    harness.op.numbers = {{"dim", 8}};
    harness.op.inputs = {harness.value(8)};
    harness.op.outputs = {harness.value(1)};
    EXPECT_NE(harness.build_status().message().find("at least two vectors"), std::string::npos);
  }
}

INSTANTIATE_TEST_SUITE_P(Device, DotFragments, testing::Values(MatmulPrecision::kTf32, MatmulPrecision::kBfloat16));

}  // namespace
}  // namespace prerank::test
