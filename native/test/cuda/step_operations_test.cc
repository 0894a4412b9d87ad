// A layer's two gradients at once, where memory allows it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "cuda/step_operations.h"
#include "kernel_harness.h"

namespace prerank::test {
namespace {

constexpr size_t kStepRows = 20, kStepIn = 8, kStepOut = 5;

// dW += D^T x, then dX = D W.
struct LayerGradients {
  LayerGradients() : harness("linear.dw", kStepRows) {
    const std::vector<int64_t> shape = {static_cast<int64_t>(kStepOut), static_cast<int64_t>(kStepIn)};
    d = harness.value(kStepOut, random_floats(kStepRows * kStepOut, 1));
    x = harness.value(kStepIn, random_floats(kStepRows * kStepIn, 2));
    w = harness.value(kStepOut * kStepIn, random_floats(kStepOut * kStepIn, 3), Domain::kNone, shape);
    dx = harness.value(kStepIn);
    dw = harness.value(kStepOut * kStepIn, {}, Domain::kNone, shape);
    for (int32_t i = 0; i <= dw; ++i) at(i).offset = 100 * i;
    PlanSegment segment;
    for (const char* const kind : {"linear.dw", "linear.dx"}) {
      PlanOp op;
      op.kind = op.layer = kind;
      segment.ops.push_back(std::move(op));
    }
    segment.ops[0].inputs = {d, x};
    segment.ops[0].outputs = {dw};
    segment.ops[1].inputs = {d, w};
    segment.ops[1].outputs = {dx};
    harness.plan.segments = {segment};
  }

  PlanValue& at(int32_t value) { return harness.plan.values[static_cast<size_t>(value)]; }

  // The weight's gradient; dX is written over x where `in_place`.
  std::vector<float> run(bool in_place, cuda::Timeline* timeline = nullptr) {
    setenv("PRERANK_CUBLASLT", PRERANK_EMULATED_LIBRARY, 1);
    const auto products = cuda::Products::create(MatmulPrecision::kFloat32);
    const auto beside = cuda::Products::create(MatmulPrecision::kFloat32);
    EXPECT_TRUE(products.ok() && beside.ok());
    const auto operations =
        cuda::StepOperations::create(harness.plan, {}, {}, {.rows = kStepRows}, products.value(), beside.value());
    EXPECT_TRUE(operations.ok()) << operations.status().message();
    auto stream = cuda::make_stream();
    std::vector<float*> base = harness.addresses();
    if (in_place) base[static_cast<size_t>(dx)] = base[static_cast<size_t>(x)];
    cuda::DeviceContext context;
    context.base = base;
    context.stream = stream.value().get();
    context.batch_rows = kStepRows;
    if (timeline != nullptr) {
      for (const PlanOp& op : harness.plan.segments[0].ops) timeline->add({.kind = op.kind, .layer = op.layer});
      EXPECT_TRUE(timeline->start().ok() && timeline->begin(context.stream).ok());
    }
    const Status enqueued = operations.value().enqueue(context, timeline);
    EXPECT_TRUE(enqueued.ok()) << enqueued.message();
    EXPECT_EQ(cudaStreamSynchronize(context.stream), cudaSuccess);
    return harness.read(dw);
  }

  OpHarness harness;
  int32_t d = 0, x = 0, w = 0, dx = 0, dw = 0;
};

std::vector<float> gradient_in_order() {
  LayerGradients gradients;
  cuda::Timeline timeline;
  return gradients.run(false, &timeline);
}

TEST(CudaStepOperations, RunGradientsOfALayerAtOnce) {
  LayerGradients gradients;
  EXPECT_EQ(gradients.run(false), gradient_in_order());
  // The emulated device comes to the stream beside as late as it may: what is not in the plan shows that it is another.
  LayerGradients wrong;
  EXPECT_NE(wrong.run(true), gradient_in_order());
}

TEST(CudaStepOperations, RunInOrderWhereTheSecondOverwritesTheFirstsOperand) {
  for (const int32_t offset : {0, -7, 7}) {
    LayerGradients gradients;
    gradients.at(gradients.dx).offset = gradients.at(gradients.x).offset + offset;
    EXPECT_EQ(gradients.run(true), gradient_in_order()) << offset;
  }
  LayerGradients viewed;
  viewed.at(viewed.dx).root = viewed.x;
  EXPECT_EQ(viewed.run(true), gradient_in_order());
}

TEST(CudaStepOperations, RunInOrderForATimeline) {
  LayerGradients gradients;
  cuda::Timeline timeline;
  EXPECT_EQ(gradients.run(true, &timeline), gradient_in_order());
  EXPECT_TRUE(timeline.collect().ok());
}

}  // namespace
}  // namespace prerank::test
