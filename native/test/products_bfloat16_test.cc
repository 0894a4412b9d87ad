// Products of dense layers in bfloat16 on the CPU, for every instruction set.
#include <cmath>
#include <limits>

#include "kernel_harness.h"
#include "prerank/bfloat16.h"

namespace prerank::test {
namespace {

struct Widths {
  size_t in, out;
};

// Odd depths, widths of less than one and of several panels, and a depth that is made in parts.
const Widths kLayers[] = {{1, 7}, {7, 16}, {16, 33}, {33, 33}, {130, 24}, {165, 70}, {300, 64}, {701, 40}};

std::vector<float> rounded(const std::vector<float>& values) {
  std::vector<Bfloat16> narrow(values.size());
  std::vector<float> wide(values.size());
  to_bfloat16(values, narrow);
  to_float(narrow, wide);
  return wide;
}

// |got - want| / |want|, of whole vectors.
double distance(const std::vector<float>& got, const std::vector<double>& want) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    difference += (static_cast<double>(got[i]) - want[i]) * (static_cast<double>(got[i]) - want[i]);
    size += want[i] * want[i];
  }
  return std::sqrt(difference / size);
}

// start + A B^T with A [m, depth] and B [n, depth].
std::vector<double> product(const std::vector<float>& a, const std::vector<float>& b, size_t depth,
                            std::vector<double> start) {
  const size_t m = a.size() / depth, n = b.size() / depth;
  for (size_t i = 0; i < m; ++i) {
    for (size_t j = 0; j < n; ++j) {
      for (size_t k = 0; k < depth; ++k) {
        start[i * n + j] += static_cast<double>(a[i * depth + k]) * static_cast<double>(b[j * depth + k]);
      }
    }
  }
  return start;
}

std::vector<float> transposed(const std::vector<float>& values, size_t rows) {
  const size_t columns = values.size() / rows;
  std::vector<float> result(values.size());
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) result[c * rows + r] = values[r * columns + c];
  }
  return result;
}

std::vector<int64_t> matrix(size_t out, size_t in) { return {static_cast<int64_t>(out), static_cast<int64_t>(in)}; }

class ProductsBfloat16 : public testing::TestWithParam<cpu::Isa> {
 protected:
  void SetUp() override {
    before_ = cpu::isa();
    if (!cpu::set_isa_for_test(GetParam())) GTEST_SKIP() << "this processor has no " << cpu::name_of(GetParam());
  }
  void TearDown() override { cpu::set_isa_for_test(before_); }

 private:
  cpu::Isa before_ = cpu::Isa::kBaseline;
};

TEST_P(ProductsBfloat16, ForwardMultipliesRoundedOperands) {
  for (const Widths& layer : kLayers) {
    for (const size_t rows : kRowCounts) {
      const std::vector<float> x = random_floats(rows * layer.in, 1),
                               w = random_floats(layer.out * layer.in, 2, -0.5f, 0.5f), b = random_floats(layer.out, 3);
      OpHarness harness("linear", rows);
      harness.bfloat16_products = true;
      harness.op.inputs = {harness.value(layer.in, x),
                           harness.value(layer.out * layer.in, w, Domain::kNone, matrix(layer.out, layer.in)),
                           harness.value(layer.out, b, Domain::kNone)};
      const int32_t y = harness.value(layer.out);
      harness.op.outputs = {y};
      harness.run_on_cpu(100);
      std::vector<double> bias;
      for (size_t r = 0; r < rows; ++r) bias.insert(bias.end(), b.begin(), b.end());
      // Rounding of float32 sums alone: it grows with the number of terms.
      const double tolerance = 1e-5 * std::max(1.0, static_cast<double>(layer.in) / 200);
      expect_near(harness.read(y), product(rounded(x), rounded(w), layer.in, bias), tolerance, "linear");
      EXPECT_LT(distance(harness.read(y), product(x, w, layer.in, bias)), 1e-2);
      harness.expect_sentinels();
    }
  }
}

TEST_P(ProductsBfloat16, GradientOfTheInputMultipliesRoundedOperands) {
  for (const Widths& layer : kLayers) {
    for (const size_t rows : kRowCounts) {
      const std::vector<float> d = random_floats(rows * layer.out, 1), w = random_floats(layer.out * layer.in, 2);
      std::vector<float> gate = random_floats(rows * layer.in, 3);
      OpHarness harness("linear.dx", rows);
      harness.bfloat16_products = true;
      harness.op.inputs = {harness.value(layer.out, d),
                           harness.value(layer.out * layer.in, w, Domain::kNone, matrix(layer.out, layer.in)),
                           harness.value(layer.in, gate)};
      const int32_t dx = harness.value(layer.in);
      harness.op.outputs = {dx};
      harness.run_on_cpu(100);
      std::vector<double> want = product(rounded(d), transposed(rounded(w), layer.out), layer.out,
                                         std::vector<double>(rows * layer.in));
      for (size_t i = 0; i < want.size(); ++i) want[i] = gate[i] > 0 ? want[i] : 0;
      expect_near(harness.read(dx), want, 2e-5, "linear.dx");
      harness.expect_sentinels();
    }
  }
}

TEST_P(ProductsBfloat16, GradientOfTheWeightsMultipliesRoundedOperands) {
  for (const Widths& layer : kLayers) {
    for (const size_t rows : kRowCounts) {
      const std::vector<float> d = random_floats(rows * layer.out, 1), x = random_floats(rows * layer.in, 2),
                               w = random_floats(layer.out * layer.in, 3), b = random_floats(layer.out, 4);
      OpHarness harness("linear.dw", rows);
      harness.bfloat16_products = true;
      harness.op.inputs = {harness.value(layer.out, d), harness.value(layer.in, x)};
      const int32_t dw = harness.value(layer.out * layer.in, w, Domain::kNone, matrix(layer.out, layer.in));
      const int32_t db = harness.value(layer.out, b, Domain::kNone);
      harness.op.outputs = {dw, db};
      harness.run_on_cpu(100);
      const std::vector<double> start(w.begin(), w.end());
      expect_near(harness.read(dw), product(transposed(rounded(d), rows), transposed(rounded(x), rows), rows, start),
                  2e-5, "dW");
      EXPECT_LT(distance(harness.read(dw), product(transposed(d, rows), transposed(x, rows), rows, start)), 1e-2);
      // The bias takes the gradient as it is.
      std::vector<double> sums(b.begin(), b.end());
      for (size_t i = 0; i < d.size(); ++i) sums[i % layer.out] += static_cast<double>(d[i]);
      expect_near(harness.read(db), sums, 2e-5, "db");
      harness.expect_sentinels();
    }
  }
}

// Two workers at once; a row's result does not depend on the rows beside it.
TEST_P(ProductsBfloat16, RowsStandAlone) {
  constexpr size_t kRows = 45, kIn = 700, kOut = 48;
  const std::vector<float> w = random_floats(kOut * kIn, 2);
  OpHarness harness("linear", kRows);
  harness.bfloat16_products = true;
  harness.op.inputs = {harness.value(kIn), harness.value(kOut * kIn, w, Domain::kNone, matrix(kOut, kIn))};
  harness.op.outputs = {harness.value(kOut)};
  expect_rows_stand_alone(harness, random_floats(kRows * kIn, 20), kIn, kOut);
}

TEST_P(ProductsBfloat16, KeepsWhatIsNotFinite) {
  constexpr size_t kIn = 33, kOut = 24;
  constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  for (const float special : {kInfinity, -kInfinity, kNan}) {
    std::vector<float> x(3 * kIn, 1);
    x[kIn + 7] = special;
    OpHarness harness("linear", 3);
    harness.bfloat16_products = true;
    harness.op.inputs = {harness.value(kIn, x), harness.value(kOut * kIn, std::vector<float>(kOut * kIn, 0.5f),
                                                              Domain::kNone, matrix(kOut, kIn))};
    const int32_t y = harness.value(kOut);
    harness.op.outputs = {y};
    harness.run_on_cpu();
    for (size_t i = 0; i < kOut; ++i) {
      EXPECT_EQ(harness.read(y)[i], 16.5f);
      const float got = harness.read(y)[kOut + i];
      EXPECT_TRUE(std::isnan(special) ? std::isnan(got) : got == special) << got;
      EXPECT_EQ(harness.read(y)[2 * kOut + i], 16.5f);
    }
  }
}

// Layers of a few outputs are dot products, not worth rounding.
TEST_P(ProductsBfloat16, LeavesThinLayersInFloat32) {
  constexpr size_t kRows = 17, kIn = 33, kOut = 3;
  const std::vector<float> x = random_floats(kRows * kIn, 1), w = random_floats(kOut * kIn, 2);
  const auto run = [&](bool bfloat16) {
    OpHarness harness("linear", kRows);
    harness.bfloat16_products = bfloat16;
    harness.op.inputs = {harness.value(kIn, x), harness.value(kOut * kIn, w, Domain::kNone, matrix(kOut, kIn))};
    const int32_t y = harness.value(kOut);
    harness.op.outputs = {y};
    harness.run_on_cpu();
    return harness.read(y);
  };
  EXPECT_EQ(run(true), run(false));
}

INSTANTIATE_TEST_SUITE_P(Cpu, ProductsBfloat16, testing::ValuesIn(cpu::kIsas),
                         [](const testing::TestParamInfo<cpu::Isa>& level) { return cpu::name_of(level.param); });

}  // namespace
}  // namespace prerank::test
