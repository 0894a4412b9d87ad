#include <cmath>
#include <limits>

#include "cpu/simd/table.h"
#include "kernel_harness.h"

namespace prerank::test {
namespace {

using Scalar = double (*)(double);

struct Named {
  const char* name;
  Scalar f;
  float low, high;
};

double relu(double x) { return x > 0 ? x : 0; }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

const Named kFunctions[] = {
    {"exp", [](double x) { return std::exp(x); }, -3, 3},
    {"log", [](double x) { return std::log(x); }, 0.1f, 4},
    {"softplus", softplus, -4, 4},
    {"square", [](double x) { return x * x; }, -3, 3},
    {"sqrt", [](double x) { return std::sqrt(x); }, 0.1f, 4},
    {"abs", [](double x) { return std::abs(x); }, -3, 3},
    {"neg", [](double x) { return -x; }, -3, 3},
};
const Named kActivations[] = {
    {"relu", relu, -2, 2},
    {"sigmoid", sigmoid, -5, 5},
    {"tanh", [](double x) { return std::tanh(x); }, -3, 3},
};

RowFunction elementwise(Scalar f) {
  return [f](const std::vector<std::vector<double>>& inputs) {
    std::vector<double> y;
    for (const double x : inputs[0]) y.push_back(f(x));
    return y;
  };
}

TEST(KernelElementwise, UnaryAndItsGradient) {
  for (const Named& function : kFunctions) {
    for (const size_t width : kWidths) {
      SCOPED_TRACE(function.name);
      check_rows({.forward = "unary",
                  .backward = "unary.grad",
                  .widths = {width},
                  .output = width,
                  .grad_inputs = {0, -1},
                  .grad_outputs = {0},
                  .strings = {{"function", function.name}},
                  .low = function.low,
                  .high = function.high},
                 elementwise(function.f));
    }
  }
}

TEST(KernelElementwise, ActivationAndItsGradient) {
  for (const Named& function : kActivations) {
    for (const size_t width : kWidths) {
      SCOPED_TRACE(function.name);
      check_rows({.forward = "activation",
                  .backward = "activation.grad",
                  .widths = {width},
                  .output = width,
                  .grad_inputs = {-1},
                  .grad_outputs = {0},
                  .strings = {{"activation", function.name}},
                  .low = function.low,
                  .high = function.high},
                 elementwise(function.f));
    }
  }
}

TEST(KernelElementwise, GradientInPlace) {
  for_each_target([] {
    OpHarness harness("activation.grad", 17);
    harness.op.strings["activation"] = "relu";
    const std::vector<float> d = random_floats(17 * 7, 1), y = random_floats(17 * 7, 2);
    const int32_t dy = harness.value(7, d);
    harness.op.inputs = {dy, harness.value(7, y)};
    harness.op.outputs = {dy};
    harness.run(5);
    std::vector<double> want;
    for (size_t i = 0; i < d.size(); ++i) want.push_back(y[i] > 0 ? static_cast<double>(d[i]) : 0);
    expect_near(harness.read(dy), want, 0, "in place");
  });
}

TEST(KernelElementwise, BinaryWithEveryBroadcast) {
  const struct {
    const char* kind;
    double (*f)(double, double);
  } kinds[] = {{"add", [](double a, double b) { return a + b; }},
               {"sub", [](double a, double b) { return a - b; }},
               {"mul", [](double a, double b) { return a * b; }},
               {"div", [](double a, double b) { return a / b; }}};
  for (const auto& kind : kinds) {
    for (const size_t width : {size_t{1}, size_t{7}, size_t{33}}) {
      for (const bool narrow_a : {false, true}) {
        for (const bool narrow_b : {false, true}) {
          if (narrow_a && narrow_b && width > 1) continue;
          for (const bool none_b : {false, true}) {
            check_rows({.forward = kind.kind,
                        .widths = {narrow_a ? 1 : width, narrow_b ? 1 : width},
                        .output = width,
                        .low = 0.5f,
                        .high = 3,
                        .none = {false, none_b}},
                       [&](const std::vector<std::vector<double>>& in) {
                         std::vector<double> y;
                         for (size_t i = 0; i < width; ++i) {
                           y.push_back(kind.f(in[0][narrow_a ? 0 : i], in[1][narrow_b ? 0 : i]));
                         }
                         return y;
                       });
          }
        }
      }
    }
  }
}

// A one-column operand whose rows are as far apart as the result's must still be repeated over the columns.
TEST(KernelElementwise, NarrowOperandInAWideRoot) {
  for_each_isa([] {
    OpHarness harness("mul", 4);
    const int32_t wide = harness.value(8, random_floats(32, 3));
    const int32_t y = harness.value(8);
    const int32_t narrow = harness.value(1, {1, 2, 3, 4});
    for (const int32_t id : {wide, y, narrow}) harness.plan.values[static_cast<size_t>(id)].stride = 8;
    // All three are laid out by the harness with its own margins: use contiguous memory of our own instead.
    std::vector<float> a = random_floats(32, 3), b(32, -1.0f), c(32);
    for (size_t r = 0; r < 4; ++r) b[r * 8] = static_cast<float>(r + 1);
    harness.op.inputs = {wide, narrow};
    harness.op.outputs = {y};
    const auto kernel = harness.build();
    ASSERT_TRUE(kernel.ok());
    std::vector<float*> base = {a.data(), c.data(), b.data()};
    TileContext context;
    context.rows = 4;
    context.base = base;
    kernel.value()->run(context);
    for (size_t i = 0; i < 32; ++i) ASSERT_EQ(c[i], a[i] * static_cast<float>(i / 8 + 1));
  });
}

TEST(KernelElementwise, AffineCopyZeroAddInto) {
  for (const size_t width : kWidths) {
    check_rows({.forward = "affine", .widths = {width}, .output = width, .numbers = {{"scale", -1.5}, {"shift", 0.25}}},
               elementwise([](double x) { return -1.5 * x + 0.25; }));
    check_rows({.forward = "copy", .widths = {width}, .output = width, .tolerance = 0},
               elementwise([](double x) { return x; }));
    for_each_target([&] {
      const std::vector<float> x = random_floats(17 * width, 1), y = random_floats(17 * width, 2);
      OpHarness add("addInto", 17);
      const int32_t sum = add.value(width, y);
      add.op.inputs = {add.value(width, x)};
      add.op.outputs = {sum};
      add.run(5);
      std::vector<double> want;
      for (size_t i = 0; i < x.size(); ++i) want.push_back(static_cast<double>(x[i] + y[i]));
      expect_near(add.read(sum), want, 0, "addInto");
      add.expect_sentinels();

      OpHarness zero("zero", 17);
      const int32_t id = zero.value(width, x);
      zero.op.outputs = {id};
      zero.run(5);
      expect_near(zero.read(id), std::vector<double>(x.size(), 0), 0, "zero");
      zero.expect_sentinels();
    });
  }
}

// Distance from the double result in units of the last place of the float next to it.
double ulps(float got, double want) {
  const float nearest = static_cast<float>(want);
  const double unit = static_cast<double>(std::nextafter(std::abs(nearest), std::numeric_limits<float>::infinity())) -
                      static_cast<double>(std::abs(nearest));
  return std::abs(static_cast<double>(got) - want) / unit;
}

double worst_ulps(cpu::MapFunction function, Scalar f, float low, float high) {
  constexpr size_t kPoints = 40001;
  std::vector<float> x(kPoints), y(kPoints);
  for (size_t i = 0; i < kPoints; ++i) x[i] = low + (high - low) * static_cast<float>(i) / (kPoints - 1);
  cpu::simd().map[function](1, kPoints, x.data(), 0, y.data(), 0);
  double worst = 0;
  for (size_t i = 0; i < kPoints; ++i) worst = std::max(worst, ulps(y[i], f(static_cast<double>(x[i]))));
  return worst;
}

TEST(KernelMath, ErrorInUnitsOfTheLastPlace) {
  for_each_isa([] {
    EXPECT_LE(worst_ulps(cpu::kExp, std::exp, -87, 88.7f), 1.5);
    EXPECT_LE(worst_ulps(cpu::kExp, std::exp, -1, 1), 1.5);
    EXPECT_LE(worst_ulps(cpu::kLog, std::log, 1e-30f, 4), 1.5);
    EXPECT_LE(worst_ulps(cpu::kLog, std::log, 1, 1e30f), 1.5);
    EXPECT_LE(worst_ulps(cpu::kSigmoid, sigmoid, -80, 80), 3);
    EXPECT_LE(worst_ulps(cpu::kSoftplus, softplus, -80, 80), 3);
    EXPECT_LE(worst_ulps(cpu::kTanh, std::tanh, -10, 10), 3);
    EXPECT_LE(worst_ulps(cpu::kTanh, std::tanh, -0.7f, 0.7f), 3);
  });
}

TEST(KernelMath, Specials) {
  for_each_isa([] {
    const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> x = {0, -0.0f, infinity, -infinity, nan, 1e-40f, 200, -200, -1};
    std::vector<float> y(x.size());
    const auto map = [&](cpu::MapFunction function) {
      cpu::simd().map[function](1, x.size(), x.data(), 0, y.data(), 0);
    };
    map(cpu::kExp);
    EXPECT_EQ(y[0], 1);
    EXPECT_EQ(y[2], infinity);
    EXPECT_EQ(y[3], 0);
    EXPECT_TRUE(std::isnan(y[4]));
    EXPECT_EQ(y[6], infinity);
    EXPECT_EQ(y[7], 0);
    map(cpu::kLog);
    EXPECT_EQ(y[0], -infinity);
    EXPECT_EQ(y[2], infinity);
    EXPECT_TRUE(std::isnan(y[3]));
    EXPECT_TRUE(std::isnan(y[4]));
    EXPECT_NEAR(y[5], -92.1034, 1e-3);
    EXPECT_TRUE(std::isnan(y[8]));
    map(cpu::kSigmoid);
    EXPECT_EQ(y[0], 0.5f);
    EXPECT_EQ(y[2], 1);
    EXPECT_EQ(y[3], 0);
    EXPECT_TRUE(std::isnan(y[4]));
    map(cpu::kSoftplus);
    EXPECT_EQ(y[2], infinity);
    EXPECT_EQ(y[3], 0);
    EXPECT_TRUE(std::isnan(y[4]));
    EXPECT_EQ(y[6], 200);
    map(cpu::kTanh);
    EXPECT_EQ(y[0], 0);
    EXPECT_EQ(y[2], 1);
    EXPECT_EQ(y[3], -1);
    EXPECT_TRUE(std::isnan(y[4]));
    map(cpu::kRelu);
    EXPECT_EQ(y[3], 0);
    EXPECT_TRUE(std::isnan(y[4]));
  });
}

}  // namespace
}  // namespace prerank::test
