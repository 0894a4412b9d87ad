// Operations that mix the columns of a row.
#include <algorithm>
#include <cmath>

#include "kernel_harness.h"

namespace prerank::test {
namespace {

using Inputs = std::vector<std::vector<double>>;

TEST(KernelRows, SoftmaxAndItsGradient) {
  const struct {
    size_t width, group;
  } shapes[] = {{1, 1}, {3, 3}, {7, 7}, {16, 16}, {33, 33}, {12, 4}, {33, 11}};
  for (const auto& shape : shapes) {
    check_rows({.forward = "softmax",
                .backward = "softmax.grad",
                .widths = {shape.width},
                .output = shape.width,
                .grad_inputs = {-1},
                .grad_outputs = {0},
                .numbers = {{"group", static_cast<double>(shape.group)}}},
               [&](const Inputs& in) {
                 std::vector<double> y(shape.width);
                 for (size_t g = 0; g < shape.width; g += shape.group) {
                   double total = 0;
                   for (size_t i = 0; i < shape.group; ++i) total += std::exp(in[0][g + i]);
                   for (size_t i = 0; i < shape.group; ++i) y[g + i] = std::exp(in[0][g + i]) / total;
                 }
                 return y;
               });
  }
}

TEST(KernelRows, LogSumExp) {
  for (const float range : {2.0f, 80.0f}) {
    for (const size_t width : kWidths) {
      check_rows({.forward = "logSumExp", .widths = {width}, .output = 1, .low = -range, .high = range}, [&](const Inputs& in) {
        const double largest = *std::max_element(in[0].begin(), in[0].end());
        double total = 0;
        for (const double x : in[0]) total += std::exp(x - largest);
        return std::vector<double>{largest + std::log(total)};
      });
    }
  }
}

TEST(KernelRows, WeightedSumAndItsGradient) {
  for (const size_t experts : {1, 2, 5}) {
    for (const size_t dim : kWidths) {
      check_rows({.forward = "weightedSum",
                  .backward = "weightedSum.grad",
                  .widths = {experts, experts * dim},
                  .output = dim,
                  .grad_inputs = {0, 1},
                  .grad_outputs = {0, 1},
                  .numbers = {{"experts", static_cast<double>(experts)}}},
                 [&](const Inputs& in) {
                   std::vector<double> y(dim);
                   for (size_t e = 0; e < experts; ++e) {
                     for (size_t i = 0; i < dim; ++i) y[i] += in[0][e] * in[1][e * dim + i];
                   }
                   return y;
                 });
    }
  }
}

TEST(KernelRows, WeightedSumWithGatesSharedByAllRows) {
  check_rows(
      {.forward = "weightedSum", .widths = {3, 21}, .output = 7, .numbers = {{"experts", 3}}, .none = {true, false}},
      [](const Inputs& in) {
        std::vector<double> y(7);
        for (size_t e = 0; e < 3; ++e) {
          for (size_t i = 0; i < 7; ++i) y[i] += in[0][e] * in[1][e * 7 + i];
        }
        return y;
      });
}

RowFunction lower_triangle(size_t features, size_t dim) {
  return [=](const Inputs& in) {
    std::vector<double> y;
    for (size_t i = 1; i < features; ++i) {
      for (size_t j = 0; j < i; ++j) {
        double sum = 0;
        for (size_t k = 0; k < dim; ++k) sum += in[0][i * dim + k] * in[0][j * dim + k];
        y.push_back(sum);
      }
    }
    return y;
  };
}

TEST(KernelRows, DotInteractionAndItsGradient) {
  const struct {
    size_t features, dim;
  } shapes[] = {{2, 1},  {3, 3},   {4, 7},  {8, 16}, {18, 4}, {27, 3}, {5, 33},
                {2, 150}, {7, 16}, {9, 32}, {5, 64}};
  for (const auto& shape : shapes) {
    check_rows({.forward = "dotInteraction",
                .backward = "dotInteraction.grad",
                .widths = {shape.features * shape.dim},
                .output = shape.features * (shape.features - 1) / 2,
                .grad_inputs = {0},
                .grad_outputs = {0},
                .numbers = {{"dim", static_cast<double>(shape.dim)}},
                .low = -1,
                .high = 1,
                .tolerance = 1e-5},
               lower_triangle(shape.features, shape.dim));
  }
}

// Rows that fill one, three or more stages of shared memory on the device, and more rows than a stage holds.
TEST(KernelRows, DotInteractionOfWideRows) {
  const struct {
    size_t features, dim, rows;
  } shapes[] = {{30, 128, 3}, {27, 256, 2}, {3, 2001, 2}, {60, 220, 2}, {3, 4, 1500}};
  for (const auto& shape : shapes) {
    const size_t width = shape.features * shape.dim, pairs = shape.features * (shape.features - 1) / 2;
    const std::vector<float> x = random_floats(shape.rows * width, 1, -1, 1);
    const std::vector<float> dy = random_floats(shape.rows * pairs, 2, -1, 1);
    std::vector<double> y(shape.rows * pairs), dx(shape.rows * width);
    for (size_t r = 0; r < shape.rows; ++r) {
      for (size_t i = 0, pair = r * pairs; i < shape.features; ++i) {
        for (size_t j = 0; j < i; ++j, ++pair) {
          const size_t a = r * width + i * shape.dim, b = r * width + j * shape.dim;
          for (size_t k = 0; k < shape.dim; ++k) {
            y[pair] += static_cast<double>(x[a + k]) * static_cast<double>(x[b + k]);
            dx[a + k] += static_cast<double>(dy[pair]) * static_cast<double>(x[b + k]);
            dx[b + k] += static_cast<double>(dy[pair]) * static_cast<double>(x[a + k]);
          }
        }
      }
    }
    for_each_target([&] {
      OpHarness forward("dotInteraction", shape.rows), backward("dotInteraction.grad", shape.rows);
      forward.op.numbers = backward.op.numbers = {{"dim", static_cast<double>(shape.dim)}};
      forward.op.inputs = {forward.value(width, x)};
      forward.op.outputs = {forward.value(pairs)};
      forward.run();
      expect_near(forward.read(forward.op.outputs[0]), y, 1e-5, "forward");
      forward.expect_sentinels();
      backward.op.inputs = {backward.value(pairs, dy), backward.value(width, x)};
      backward.op.outputs = {backward.value(width)};
      backward.run();
      expect_near(backward.read(backward.op.outputs[0]), dx, 1e-5, "backward");
      backward.expect_sentinels();
    });
  }
}

TEST(KernelRows, DotInteractionGradientAccumulates) {
  for_each_target([] {
    const std::vector<float> dy = random_floats(3 * 6, 1), x = random_floats(3 * 20, 2),
                             start = random_floats(3 * 20, 3);
    std::vector<float> results[2];
    for (const int accumulate : {0, 1}) {
      OpHarness harness("dotInteraction.grad", 3);
      harness.op.numbers = {{"dim", 5}, {"accumulate", accumulate}};
      harness.op.inputs = {harness.value(6, dy), harness.value(20, x)};
      harness.op.outputs = {harness.value(20, start)};
      harness.run();
      results[accumulate] = harness.read(harness.op.outputs[0]);
    }
    std::vector<double> want;
    for (size_t i = 0; i < start.size(); ++i) want.push_back(static_cast<double>(results[0][i] + start[i]));
    expect_near(results[1], want, 4e-6, "accumulated");
  });
}

TEST(KernelRows, RowDotAndRowSum) {
  for (const size_t width : kWidths) {
    check_rows({.forward = "rowDot", .widths = {width, width}, .output = 1, .tolerance = 1e-5}, [&](const Inputs& in) {
      double sum = 0;
      for (size_t i = 0; i < width; ++i) sum += in[0][i] * in[1][i];
      return std::vector<double>{sum};
    });
    check_rows({.forward = "rowSum", .widths = {width}, .output = 1, .tolerance = 1e-5}, [&](const Inputs& in) {
      double sum = 0;
      for (size_t i = 0; i < width; ++i) sum += in[0][i];
      return std::vector<double>{sum};
    });
  }
}

TEST(KernelRows, SumRowsAddsIntoTheAccumulator) {
  for_each_target([] {
    for (const size_t rows : kRowCounts) {
      for (const size_t width : kWidths) {
        for (const bool scalar : {false, true}) {
          const size_t out = scalar ? 1 : width;
          const std::vector<float> x = random_floats(rows * width, 4), start = random_floats(out, 5);
          OpHarness harness("sumRows", rows);
          if (scalar) harness.op.numbers["scalar"] = 1;
          harness.op.inputs = {harness.value(width, x)};
          const int32_t sum = harness.value(out, start, Domain::kNone);
          harness.op.outputs = {sum};
          harness.run(100);
          std::vector<double> want(start.begin(), start.end());
          for (size_t i = 0; i < x.size(); ++i) want[scalar ? 0 : i % width] += static_cast<double>(x[i]);
          expect_near(harness.read(sum), want, 1e-5, "sumRows");
          harness.expect_sentinels();
        }
      }
    }
  });
}

}  // namespace
}  // namespace prerank::test
