// Linear layers on the device with what they leave for each other, against the same without.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "cuda/kernel.h"
#include "cuda/linear_links.h"
#include "kernel_harness.h"

namespace prerank::test {
namespace {

std::shared_ptr<const cuda::Products> products_of_links() {
  setenv("PRERANK_CUBLASLT", PRERANK_EMULATED_LIBRARY, 1);
  auto products = cuda::Products::create(MatmulPrecision::kFloat32);
  EXPECT_TRUE(products.ok()) << products.status().message();
  return products.ok() ? products.value() : nullptr;
}

// y = relu(x V^T + b); dY = D W where y is above 0; dV += dY^T x; db += sums of dY over rows.
struct TwoLayers {
  TwoLayers(size_t rows, size_t in, size_t width, size_t out) : harness("linear.dx", rows) {
    const std::vector<float> d = random_floats(rows * out, 1), w = random_floats(out * width, 2, -1, 1);
    std::vector<float> x = random_floats(rows * in, 3, -1, 1);
    // Row 0 comes to 0 before the ReLU, exactly.
    std::fill_n(x.begin(), in, 0.0f);
    std::vector<float> b = random_floats(width, 5, -0.5f, 0.5f);
    b[0] = 0;
    const int32_t x_value = harness.value(in, x), y_value = harness.value(width);
    const int32_t v_value =
        harness.value(width * in, random_floats(width * in, 4, -1, 1), Domain::kNone, shape(width, in));
    const int32_t b_value = harness.value(width, b, Domain::kNone);
    const int32_t d_value = harness.value(out, d);
    const int32_t w_value = harness.value(out * width, w, Domain::kNone, shape(out, width));
    dy = harness.value(width);
    dv = harness.value(width * in, random_floats(width * in, 6), Domain::kNone, shape(width, in));
    db = harness.value(width, random_floats(width, 7), Domain::kNone);
    y = y_value;
    PlanSegment segment;
    segment.ops = {operation("linear", {x_value, v_value, b_value}, {y_value}),
                   operation("linear.dx", {d_value, w_value, y_value}, {dy}),
                   operation("linear.dw", {dy, x_value}, {dv, db})};
    segment.ops[0].strings["activation"] = "relu";
    harness.plan.segments.push_back(std::move(segment));
  }

  static std::vector<int64_t> shape(size_t out, size_t in) {
    return {static_cast<int64_t>(out), static_cast<int64_t>(in)};
  }

  static PlanOp operation(std::string kind, std::vector<int32_t> inputs, std::vector<int32_t> outputs) {
    PlanOp op;
    op.layer = op.kind = std::move(kind);
    op.inputs = std::move(inputs);
    op.outputs = std::move(outputs);
    return op;
  }

  void run(const std::shared_ptr<cuda::LinearLinks>& links) {
    auto stream = cuda::make_stream();
    ASSERT_TRUE(stream.ok());
    const std::vector<float*> base = harness.addresses();
    cuda::DeviceContext context;
    context.rows = harness.rows();
    context.base = base;
    context.stream = stream.value().get();
    const auto products = products_of_links();
    std::vector<std::unique_ptr<cuda::DeviceKernel>> kernels;
    for (const PlanOp& op : harness.plan.segments[0].ops) {
      cuda::DeviceBuild build;
      build.plan = &harness.plan;
      build.op = &op;
      build.rows = harness.rows();
      build.products = products;
      build.links = links;
      auto kernel = cuda::make_cuda_kernel(build);
      ASSERT_TRUE(kernel.ok()) << kernel.status().message();
      kernels.push_back(std::move(kernel.value()));
    }
    for (const auto& kernel : kernels) {
      const Status enqueued = kernel->enqueue(context);
      ASSERT_TRUE(enqueued.ok()) << enqueued.message();
    }
    ASSERT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
    harness.expect_sentinels();
  }

  OpHarness harness;
  int32_t y = 0, dy = 0, dv = 0, db = 0;
};

std::vector<double> doubles(const std::vector<float>& x) { return {x.begin(), x.end()}; }

struct LinkedSizes {
  size_t in, width, out;
};

// Of one bit and of several strides of a mask; a single term has no algorithm with a mask.
constexpr LinkedSizes kLinkedSizes[] = {{7, 1, 3}, {16, 24, 4}, {5, 130, 2}, {12, 300, 9}, {8, 16, 1}};

TEST(CudaLinearLinks, GiveTheGradientsOfSeparatePasses) {
  size_t linked = 0, separate = 0;
  for_each_target([&] {
    for (const LinkedSizes& size : kLinkedSizes) {
      for (const size_t rows : kRowCounts) {
        SCOPED_TRACE("[" + std::to_string(rows) + ", " + std::to_string(size.in) + "], width " +
                     std::to_string(size.width) + ", out " + std::to_string(size.out));
        TwoLayers alone(rows, size.in, size.width, size.out), together(rows, size.in, size.width, size.out);
        auto links = cuda::LinearLinks::create(together.harness.plan, {.rows = rows});
        ASSERT_TRUE(links.ok()) << links.status().message();
        const auto mask = links.value()->mask(together.y);
        const auto sums = links.value()->sums(together.dy);
        ASSERT_TRUE(mask != nullptr && sums != nullptr);
        EXPECT_GE(mask->bits.stride, size.width);
        alone.run(nullptr);
        together.run(links.value());
        ++(sums->written ? linked : separate);
        EXPECT_EQ(sums->written, mask->written && size.out > 1);
        EXPECT_EQ(together.harness.read(together.y), alone.harness.read(alone.y));
        EXPECT_EQ(together.harness.read(together.dy), alone.harness.read(alone.dy));
        EXPECT_EQ(together.harness.read(together.dv), alone.harness.read(alone.dv));
        const double tolerance = 2e-6 * std::sqrt(static_cast<double>(rows));
        expect_near(together.harness.read(together.db), doubles(alone.harness.read(alone.db)), tolerance, "db");
        // The ReLU of exactly 0 lets nothing pass.
        EXPECT_EQ(together.harness.read(together.dy)[0], 0.0f);
      }
    }
  });
  EXPECT_GT(linked, 0u);
  EXPECT_GT(separate, 0u);
}

TEST(CudaLinearLinks, AreOfReluLayersWithGatedGradients) {
  TwoLayers layers(4, 3, 5, 2);
  PlanSegment& segment = layers.harness.plan.segments[0];
  const auto create = [&] { return cuda::LinearLinks::create(layers.harness.plan, {.rows = 4}).value(); };
  EXPECT_NE(create()->mask(layers.y), nullptr);
  EXPECT_EQ(create()->mask(layers.dy), nullptr);
  segment.ops[2].outputs.pop_back();
  EXPECT_EQ(create()->sums(layers.dy), nullptr) << "no bias is trained";
  segment.ops[0].strings["activation"] = "tanh";
  EXPECT_EQ(create()->mask(layers.y), nullptr);
  EXPECT_EQ(create()->bytes(), 0u);
}

}  // namespace
}  // namespace prerank::test
