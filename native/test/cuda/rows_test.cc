// The CUDA kernels of elementwise and row operations where they leave the common path: wide rows, many rows, none,
// chunks of sums over rows, what a captured graph reads.
#include <cmath>
#include <limits>

#include "base/philox.h"
#include "cuda/device.h"
#include "cuda/kernel.h"
#include "cuda/row_reduction.h"
#include "cuda/share.h"
#include "kernel_harness.h"

namespace prerank::test {
namespace {

using Rows = std::vector<std::vector<double>>;

double sum_of(const std::vector<double>& x) {
  double sum = 0;
  for (const double each : x) sum += each;
  return sum;
}

TEST(CudaShare, LeavesFewThreadsIdle) {
  EXPECT_EQ(cuda::share_for(0, 32).threads(), 32u);
  EXPECT_EQ(cuda::share_for(1, 32).threads(), 1u);
  EXPECT_EQ(cuda::share_for(3, 32).threads(), 4u);
  EXPECT_EQ(cuda::share_for(5, 32).threads(), 8u);
  EXPECT_EQ(cuda::share_for(9, 32).threads(), 4u);
  EXPECT_EQ(cuda::share_for(1000, 32).threads(), 32u);
  EXPECT_EQ(cuda::share_for(1000, 256).threads(), 256u);
}

TEST(CudaRows, WideRows) {
  for (const size_t width : {size_t{260}, size_t{1030}}) {
    check_rows({.forward = "softmax", .widths = {width}, .output = width}, [&](const Rows& in) {
      std::vector<double> y;
      double total = 0;
      for (const double x : in[0]) total += std::exp(x);
      for (const double x : in[0]) y.push_back(std::exp(x) / total);
      return y;
    });
    check_rows({.forward = "logSumExp", .widths = {width}, .output = 1}, [&](const Rows& in) {
      double total = 0;
      for (const double x : in[0]) total += std::exp(x);
      return std::vector<double>{std::log(total)};
    });
    check_rows({.forward = "rowDot", .widths = {width, width}, .output = 1, .low = 0}, [&](const Rows& in) {
      double sum = 0;
      for (size_t i = 0; i < width; ++i) sum += in[0][i] * in[1][i];
      return std::vector<double>{sum};
    });
    check_rows({.forward = "rowSum", .widths = {width}, .output = 1, .low = 0},
               [&](const Rows& in) { return std::vector<double>{sum_of(in[0])}; });
    check_rows({.forward = "mul", .widths = {width, 1}, .output = width}, [&](const Rows& in) {
      std::vector<double> y;
      for (const double x : in[0]) y.push_back(x * in[1][0]);
      return y;
    });
    check_rows({.forward = "weightedSum", .widths = {2, 2 * width}, .output = width}, [&](const Rows& in) {
      std::vector<double> y;
      for (size_t i = 0; i < width; ++i) y.push_back(in[0][0] * in[1][i] + in[0][1] * in[1][width + i]);
      return y;
    });
    check_rows({.forward = "scaleGroups", .widths = {2, 2 * width}, .output = 2 * width}, [&](const Rows& in) {
      std::vector<double> y;
      for (size_t i = 0; i < 2 * width; ++i) y.push_back(in[0][i / width] * in[1][i]);
      return y;
    });
  }
}

// A one-column operand whose rows are as far apart as the result's must still be repeated over the columns.
TEST(CudaRows, NarrowOperandInAWideRoot) {
  for_each_target([] {
    OpHarness harness("mul", 4);
    const std::vector<float> a = random_floats(32, 3);
    std::vector<float> b(32, -1);
    for (size_t r = 0; r < 4; ++r) b[8 * r] = static_cast<float>(r + 1);
    harness.op.inputs = {harness.value(8, a), harness.value(8, b)};
    harness.op.outputs = {harness.value(8)};
    harness.plan.values[1].width = 1;
    harness.run();
    std::vector<double> want;
    for (size_t i = 0; i < 32; ++i) want.push_back(static_cast<double>(a[i] * static_cast<float>(i / 8 + 1)));
    expect_near(harness.read(harness.op.outputs[0]), want, 0, "product");
  });
}

// Grids are bounded: threads go round.
TEST(CudaRows, MoreRowsThanAGridHasThreads) {
  constexpr size_t kRows = 45000, kWidth = 32;
  const std::vector<float> x = random_floats(kRows * kWidth, 1);
  for_each_target([&] {
    OpHarness affine("affine", kRows);
    affine.op.numbers = {{"scale", 2}};
    affine.op.inputs = {affine.value(kWidth, x)};
    affine.op.outputs = {affine.value(kWidth)};
    affine.run();
    const std::vector<float> doubled = affine.read(affine.op.outputs[0]);
    for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(doubled[i], 2 * x[i]) << i;
    affine.expect_sentinels();
  });
  OpHarness sum("rowSum", kRows);
  sum.op.inputs = {sum.value(kWidth, x)};
  sum.op.outputs = {sum.value(1)};
  sum.run();
  std::vector<double> want(kRows);
  for (size_t i = 0; i < x.size(); ++i) want[i / kWidth] += static_cast<double>(x[i]);
  expect_near(sum.read(sum.op.outputs[0]), want, 1e-5, "rowSum");
}

TEST(CudaRows, NoRowsNoWork) {
  const struct {
    const char* kind;
    std::vector<size_t> inputs, outputs;
  } operations[] = {{"add", {8, 8}, {8}},
                    {"affine", {8}, {8}},
                    {"softmax", {8}, {8}},
                    {"softmax.grad", {8, 8}, {8}},
                    {"logSumExp", {8}, {1}},
                    {"weightedSum", {2, 8}, {4}},
                    {"weightedSum.grad", {4, 2, 8}, {2, 8}},
                    {"scaleGroups", {2, 8}, {8}},
                    {"groupDot", {8, 8}, {2}},
                    {"rowDot", {8, 8}, {1}},
                    {"rowSum", {8}, {1}},
                    {"dropout", {8}, {8}},
                    {"copy", {8}, {8}},
                    {"zero", {}, {8}},
                    {"addInto", {8}, {8}}};
  for_each_target([&] {
    for (const auto& operation : operations) {
      SCOPED_TRACE(operation.kind);
      OpHarness harness(operation.kind, 0);
      for (const size_t width : operation.inputs) harness.op.inputs.push_back(harness.value(width));
      for (const size_t width : operation.outputs) harness.op.outputs.push_back(harness.value(width));
      harness.run();
      harness.expect_sentinels();
    }
    OpHarness sums("sumRows", 0);
    sums.op.inputs = {sums.value(3)};
    sums.op.outputs = {sums.value(3, {1, 2, 3}, Domain::kNone)};
    sums.run();
    EXPECT_EQ(sums.read(sums.op.outputs[0]), (std::vector<float>{1, 2, 3}));
    OpHarness expand("expand", 0);
    expand.op.inputs = {expand.value_of_rows(2, 3, {}, Domain::kRequest)};
    expand.op.outputs = {expand.value(3)};
    expand.run();
    OpHarness grad("expand.grad", 0, Domain::kRequest);
    grad.op.inputs = {grad.value_of_rows(0, 3, {}, Domain::kRow)};
    grad.op.outputs = {grad.value_of_rows(0, 3, {}, Domain::kRequest)};
    grad.run();
  });
}

// Requests of very different lengths, some empty; long ones are added in slices.
TEST(CudaRows, ExpandGradientOfLongAndEmptyRequests) {
  const std::vector<uint32_t> offsets = {0, 0, 700, 701, 701, 780, 1000};
  for_each_target([&] {
    for (const size_t width : {size_t{1}, size_t{3}, size_t{8}, size_t{33}, size_t{132}}) {
      const std::vector<float> dy = random_floats(1000 * width, 2);
      OpHarness grad("expand.grad", 6, Domain::kRequest);
      grad.batch.rows = 1000;
      grad.batch.requests = 6;
      grad.batch.request_offsets = offsets;
      grad.op.inputs = {grad.value_of_rows(1000, width, dy, Domain::kRow)};
      grad.op.outputs = {grad.value_of_rows(6, width, random_floats(6 * width, 3), Domain::kRequest)};
      grad.run();
      std::vector<double> want(6 * width);
      for (size_t q = 0; q < 6; ++q) {
        for (size_t i = offsets[q] * width; i < offsets[q + 1] * width; ++i) {
          want[q * width + i % width] += static_cast<double>(dy[i]);
        }
      }
      expect_near(grad.read(grad.op.outputs[0]), want, 1e-5, "expand.grad");
      grad.expect_sentinels();
    }
  });
}

// x [rows, width] from floats with `stride`, on a stream of its own, into scratch that is no larger than promised.
std::vector<float> column_sums(size_t rows, size_t width, const std::vector<float>& x, size_t stride, size_t first,
                               size_t capacity, bool total) {
  constexpr float kGuard = 12345.5f;
  const auto stream = cuda::make_stream();
  EXPECT_TRUE(stream.ok());
  const size_t size = cuda::column_sum_scratch(capacity, width);
  std::vector<float> scratch(size, std::numeric_limits<float>::quiet_NaN()), out(total ? 1 : width, 0.5f);
  scratch.push_back(kGuard);
  const auto sum = total ? cuda::add_total : cuda::add_column_sums;
  const Status status = sum(stream.value().get(), rows, width, x.data() + first, stride, scratch.data(), out.data());
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
  EXPECT_EQ(scratch[size], kGuard);
  return out;
}

TEST(CudaRowReduction, AddsColumnsInTwoStages) {
  for (const size_t rows : {size_t{0}, size_t{1}, size_t{65}, size_t{1000}, size_t{20011}}) {
    for (const size_t width : {size_t{1}, size_t{3}, size_t{4}, size_t{33}, size_t{132}}) {
      if (rows * width > 140000) continue;
      for (const size_t margin : {size_t{0}, size_t{4}, size_t{5}}) {
        SCOPED_TRACE(testing::Message() << rows << " rows, width " << width << ", margin " << margin);
        const size_t stride = width + margin;
        const std::vector<float> x = random_floats(margin + rows * stride, rows + width, -1, 1);
        std::vector<double> want(width, 0.5);
        for (size_t r = 0; r < rows; ++r) {
          for (size_t c = 0; c < width; ++c) want[c] += static_cast<double>(x[margin + r * stride + c]);
        }
        const std::vector<float> sums = column_sums(rows, width, x, stride, margin, rows, false);
        expect_near(sums, want, 1e-5, "column sums");
        // As bits: neither the place of the scratch nor the capacity may matter.
        EXPECT_EQ(column_sums(rows, width, x, stride, margin, rows + 1000, false), sums);
        expect_near(column_sums(rows, width, x, stride, margin, rows, true),
                    {0.5 + sum_of(want) - 0.5 * static_cast<double>(width)}, 1e-5, "total");
      }
    }
  }
}

TEST(CudaRowReduction, MorePartialSumsThanAGridHasBlocks) {
  constexpr size_t kRows = 16385, kWidth = 545;
  const std::vector<float> x = random_floats(kRows * kWidth, 1, -1, 1);
  std::vector<double> want(kWidth, 0.5);
  for (size_t i = 0; i < x.size(); ++i) want[i % kWidth] += static_cast<double>(x[i]);
  expect_near(column_sums(kRows, kWidth, x, kWidth, 0, kRows, false), want, 1e-5, "column sums");
}

TEST(CudaRowReduction, ScratchHoldsEverySmallerBatch) {
  for (const size_t width : {size_t{1}, size_t{7}}) {
    size_t before = 0;
    for (size_t rows = 0; rows < 40000; rows += 17) {
      const size_t floats = cuda::column_sum_scratch(rows, width);
      ASSERT_GE(floats, before) << rows;
      before = floats;
    }
  }
}

TEST(CudaRows, SumOfManyRowsInABatchBelowCapacity) {
  for_each_target([] {
    for (const bool scalar : {false, true}) {
      const std::vector<float> x = random_floats(5000 * 6, 1);
      OpHarness sums("sumRows", 5000);
      sums.batch.rows = 9000;
      if (scalar) sums.op.numbers["scalar"] = 1;
      sums.op.inputs = {sums.value(6, x)};
      sums.op.outputs = {sums.value(scalar ? 1 : 6, {}, Domain::kNone)};
      sums.run();
      std::vector<double> want(scalar ? 1 : 6);
      for (size_t i = 0; i < x.size(); ++i) want[scalar ? 0 : i % 6] += static_cast<double>(x[i]);
      expect_near(sums.read(sums.op.outputs[0]), want, 1e-5, "sumRows");
    }
  });
}

// A captured graph holds no number of the step: the mask follows what the device's memory says when it runs.
TEST(CudaRows, CapturedDropoutFollowsTheStep) {
  constexpr size_t kRows = 9, kWidth = 12;
  Plan plan;
  PlanOp op;
  op.kind = "dropout";
  op.id = 7;
  op.inputs = {0};
  op.outputs = {1};
  op.numbers["rate"] = 0.5;
  for (const int32_t id : {0, 1}) {
    plan.values.push_back({.name = "value", .shape = {kWidth}, .width = kWidth, .root = id, .stride = kWidth});
  }
  cuda::DeviceBuild build;
  build.plan = &plan;
  build.op = &op;
  build.rows = kRows;
  const auto kernel = cuda::make_cuda_kernel(build);
  ASSERT_TRUE(kernel.ok()) << kernel.status().message();
  const auto stream = cuda::make_stream();
  ASSERT_TRUE(stream.ok());

  std::vector<float> x(kRows * kWidth, 1), y(kRows * kWidth);
  std::vector<float*> base = {x.data(), y.data()};
  cuda::StepNumbers numbers = {.seed = 11, .step = 0, .training = 1};
  cuda::DeviceContext context;
  context.rows = kRows;
  context.base = base;
  context.stream = stream.value().get();
  context.device.numbers = &numbers;
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(context.stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  ASSERT_TRUE(kernel.value()->enqueue(context).ok());
  ASSERT_EQ(cudaStreamEndCapture(context.stream, &graph), cudaSuccess);
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph), cudaSuccess);
  ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  const cuda::GraphExec owned(executable);
  const auto replay = [&] {
    EXPECT_EQ(cudaGraphLaunch(owned.get(), context.stream), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(context.stream), cudaSuccess);
  };
  for (const uint64_t step : {uint64_t{3}, uint64_t{4}}) {
    numbers.step = step;
    replay();
    for (size_t i = 0; i < y.size(); ++i) {
      const uint32_t bits = philox4x32(op_counter(step, 7, i / kWidth, i % kWidth), philox_key(11))[i % kWidth % 4];
      ASSERT_EQ(y[i], bits >= 0x80000000u ? 2.0f : 0.0f) << "step " << step << ", element " << i;
    }
  }
  numbers.training = 0;
  replay();
  EXPECT_EQ(y, x);
}

}  // namespace
}  // namespace prerank::test
