#include <algorithm>
#include <cmath>

#include "kernel_harness.h"

namespace prerank::test {
namespace {

struct Sizes {
  size_t in, out;
};

// One output, thin ones, and widths of one, less than one, and several panels of every instruction set.
const Sizes kSizes[] = {{1, 1}, {3, 1}, {33, 1}, {7, 3}, {16, 4}, {1, 7}, {7, 16}, {33, 33}, {130, 24}, {165, 70}, {700, 40}};

double activate(const std::string& name, double x) {
  if (name == "relu") return x > 0 ? x : 0;
  if (name == "sigmoid") return 1 / (1 + std::exp(-x));
  if (name == "tanh") return std::tanh(x);
  return x;
}

std::vector<int64_t> matrix(size_t out, size_t in) { return {static_cast<int64_t>(out), static_cast<int64_t>(in)}; }

TEST(KernelLinear, ForwardWithBiasAndActivation) {
  for_each_isa([] {
    for (const Sizes& size : kSizes) {
      for (const size_t rows : kRowCounts) {
        for (const char* activation : {"none", "relu", "sigmoid", "tanh"}) {
          for (const bool bias : {true, false}) {
            const std::vector<float> x = random_floats(rows * size.in, 1),
                                     w = random_floats(size.out * size.in, 2, -0.5f, 0.5f),
                                     b = random_floats(size.out, 3);
            OpHarness harness("linear", rows);
            harness.op.strings["activation"] = activation;
            harness.op.inputs = {harness.value(size.in, x),
                                 harness.value(size.out * size.in, w, Domain::kNone, matrix(size.out, size.in))};
            if (bias) harness.op.inputs.push_back(harness.value(size.out, b, Domain::kNone));
            const int32_t y = harness.value(size.out);
            harness.op.outputs = {y};
            harness.run(100);
            std::vector<double> want;
            for (size_t r = 0; r < rows; ++r) {
              for (size_t o = 0; o < size.out; ++o) {
                double sum = bias ? static_cast<double>(b[o]) : 0;
                for (size_t i = 0; i < size.in; ++i) {
                  sum += static_cast<double>(x[r * size.in + i]) * static_cast<double>(w[o * size.in + i]);
                }
                want.push_back(activate(activation, sum));
              }
            }
            // Rounding grows with the number of terms.
            const double tolerance = 1e-5 * std::max(1.0, static_cast<double>(size.in) / 200);
            expect_near(harness.read(y), want, tolerance, std::string("linear ") + activation);
            harness.expect_sentinels();
          }
        }
      }
    }
  });
}

TEST(KernelLinear, GradientOfTheInput) {
  for_each_isa([] {
    for (const Sizes& size : kSizes) {
      for (const size_t rows : kRowCounts) {
        for (const bool gated : {false, true}) {
          const std::vector<float> d = random_floats(rows * size.out, 1), w = random_floats(size.out * size.in, 2);
          std::vector<float> y = random_floats(rows * size.in, 3);
          for (size_t e = 0; e < y.size(); e += 3) y[e] = 0;
          OpHarness harness("linear.dx", rows);
          harness.op.inputs = {harness.value(size.out, d),
                               harness.value(size.out * size.in, w, Domain::kNone, matrix(size.out, size.in))};
          if (gated) harness.op.inputs.push_back(harness.value(size.in, y));
          const int32_t dx = harness.value(size.in);
          harness.op.outputs = {dx};
          harness.run(100);
          std::vector<double> want(rows * size.in);
          for (size_t r = 0; r < rows; ++r) {
            for (size_t o = 0; o < size.out; ++o) {
              for (size_t i = 0; i < size.in; ++i) {
                if (gated && y[r * size.in + i] <= 0) continue;
                want[r * size.in + i] +=
                    static_cast<double>(d[r * size.out + o]) * static_cast<double>(w[o * size.in + i]);
              }
            }
          }
          expect_near(harness.read(dx), want, 2e-5, gated ? "gated linear.dx" : "linear.dx");
          harness.expect_sentinels();
        }
      }
    }
  });
}

TEST(KernelLinear, GradientOfTheWeightsIsAdded) {
  for_each_isa([] {
    for (const Sizes& size : kSizes) {
      for (const size_t rows : kRowCounts) {
        for (const bool bias : {true, false}) {
          const std::vector<float> d = random_floats(rows * size.out, 1), x = random_floats(rows * size.in, 2),
                                   w0 = random_floats(size.out * size.in, 3), b0 = random_floats(size.out, 4);
          OpHarness harness("linear.dw", rows);
          harness.op.inputs = {harness.value(size.out, d), harness.value(size.in, x)};
          const int32_t dw = harness.value(size.out * size.in, w0, Domain::kNone, matrix(size.out, size.in));
          const int32_t db = harness.value(size.out, b0, Domain::kNone);
          harness.op.outputs = {dw};
          if (bias) harness.op.outputs.push_back(db);
          harness.run(100);
          std::vector<double> want_w(w0.begin(), w0.end()), want_b(b0.begin(), b0.end());
          for (size_t r = 0; r < rows; ++r) {
            for (size_t o = 0; o < size.out; ++o) {
              const double g = static_cast<double>(d[r * size.out + o]);
              if (bias) want_b[o] += g;
              for (size_t i = 0; i < size.in; ++i)
                want_w[o * size.in + i] += g * static_cast<double>(x[r * size.in + i]);
            }
          }
          expect_near(harness.read(dw), want_w, 2e-5, "dW");
          expect_near(harness.read(db), want_b, 2e-5, "db");
          harness.expect_sentinels();
        }
      }
    }
  });
}

// Two workers share the packed weight; a row's result does not depend on the rows beside it.
TEST(KernelLinear, WorkersRunAtOnceAndRowsStandAlone) {
  constexpr size_t kRows = 45, kIn = 64, kOut = 48;
  for_each_isa([] {
    const std::vector<float> w = random_floats(kOut * kIn, 2), b = random_floats(kOut, 3);
    OpHarness harness("linear", kRows);
    harness.op.strings["activation"] = "relu";
    harness.op.inputs = {harness.value(kIn), harness.value(kOut * kIn, w, Domain::kNone, matrix(kOut, kIn)),
                         harness.value(kOut, b, Domain::kNone)};
    harness.op.outputs = {harness.value(kOut)};
    expect_rows_stand_alone(harness, random_floats(kRows * kIn, 20), kIn, kOut);
  });
}

TEST(KernelLinear, RunsOnceForDomainNone) {
  OpHarness harness("linear", 1, Domain::kNone);
  harness.op.strings["activation"] = "relu";
  harness.op.inputs = {harness.value(2, {1, 2}, Domain::kNone), harness.value(4, {1, 1, -1, -1}, Domain::kNone, {2, 2}),
                       harness.value(2, {0.5f, 0}, Domain::kNone)};
  const int32_t y = harness.value(2, {}, Domain::kNone);
  harness.op.outputs = {y};
  harness.run();
  EXPECT_EQ(harness.read(y), (std::vector<float>{3.5f, 0}));
}

}  // namespace
}  // namespace prerank::test
