// Dropout, the request domain, views, and what the registry refuses.
#include <algorithm>

#include "base/philox.h"
#include "kernel_harness.h"

namespace prerank::test {
namespace {

OpHarness dropout(const char* kind, size_t rows, size_t width, const std::vector<float>& x, double rate) {
  OpHarness h(kind, rows);
  h.seed = 0x123456789abcdefull;
  h.step = 41;
  h.op.numbers["rate"] = rate;
  h.op.inputs = {h.value(width, x)};
  h.op.outputs = {h.value(width)};
  return h;
}

TEST(KernelDropout, DrawsItsMaskFromPhilox) {
  for_each_target([] {
    for (const size_t width : {size_t{1}, size_t{7}, size_t{33}, size_t{150}}) {
      constexpr size_t kRows = 17;
      const std::vector<float> x(kRows * width, 1.0f);
      OpHarness h = dropout("dropout", kRows, width, x, 0.25);
      h.run(5);
      std::vector<double> want;
      for (size_t r = 0; r < kRows; ++r) {
        for (size_t i = 0; i < width; ++i) {
          const uint32_t bits = philox4x32(op_counter(h.step, h.op.id, r, i), philox_key(h.seed))[i % 4];
          want.push_back(bits >= 0x40000000u ? 1 / 0.75 : 0);
        }
      }
      expect_near(h.read(h.op.outputs[0]), want, 1e-7, "dropout");
      h.expect_sentinels();

      OpHarness grad = dropout("dropout.grad", kRows, width, x, 0.25);
      grad.op.id = 99;
      grad.op.numbers["maskOf"] = h.op.id;
      grad.run(17);
      EXPECT_EQ(grad.read(grad.op.outputs[0]), h.read(h.op.outputs[0]));
    }
  });
}

TEST(KernelDropout, DropsAboutTheRateAndNothingOutsideTraining) {
  for_each_target([] {
    const std::vector<float> x(255 * 33, 2.0f);
    OpHarness h = dropout("dropout", 255, 33, x, 0.5);
    h.run();
    const std::vector<float> y = h.read(h.op.outputs[0]);
    EXPECT_NEAR(static_cast<double>(std::count(y.begin(), y.end(), 0.0f)) / static_cast<double>(y.size()), 0.5, 0.02);
    OpHarness evaluation = dropout("dropout", 255, 33, x, 0.5);
    evaluation.training = false;
    evaluation.run();
    EXPECT_EQ(evaluation.read(evaluation.op.outputs[0]), x);
  });
}

TEST(KernelExpand, GathersRequestsAndSumsTheirRows) {
  for_each_target([] {
    const std::vector<uint32_t> offsets = {0, 1, 1, 5, 8}, request = {0, 2, 2, 2, 2, 3, 3, 3};
    for (const size_t width : {size_t{1}, size_t{3}, size_t{33}}) {
      const std::vector<float> x = random_floats(4 * width, 1), dy = random_floats(8 * width, 2);
      OpHarness expand("expand", 8);
      expand.batch.request_of_row = request;
      expand.op.inputs = {expand.value_of_rows(4, width, x, Domain::kRequest)};
      expand.op.outputs = {expand.value(width)};
      expand.run(3);
      std::vector<double> want;
      for (size_t r = 0; r < 8; ++r) {
        for (size_t i = 0; i < width; ++i) want.push_back(static_cast<double>(x[request[r] * width + i]));
      }
      expect_near(expand.read(expand.op.outputs[0]), want, 0, "expand");
      expand.expect_sentinels();

      OpHarness grad("expand.grad", 4, Domain::kRequest);
      grad.batch.request_offsets = offsets;
      grad.op.inputs = {grad.value_of_rows(8, width, dy, Domain::kRow)};
      grad.op.outputs = {grad.value_of_rows(4, width, random_floats(4 * width, 3), Domain::kRequest)};
      grad.run(3);
      std::vector<double> sums(4 * width);
      for (size_t r = 0; r < 8; ++r) {
        for (size_t i = 0; i < width; ++i) sums[request[r] * width + i] += static_cast<double>(dy[r * width + i]);
      }
      expect_near(grad.read(grad.op.outputs[0]), sums, 1e-6, "expand.grad");
      grad.expect_sentinels();
    }
  });
}

TEST(KernelViews, NeedNoCodeWhenTheyAlias) {
  for_each_target([] {
    for (const char* kind : {"concat", "slice", "stopGradient"}) {
      OpHarness h(kind, 2);
      h.op.inputs = {h.value(4, {1, 2, 3, 4, 5, 6, 7, 8})};
      h.op.outputs = {h.value(4)};
      EXPECT_EQ(h.build_status().code(), Code::kInvalidArgument) << kind;
      h.plan.values[1].root = 0;
      EXPECT_TRUE(h.build_status().ok()) << kind;
      h.run();
      EXPECT_EQ(h.read(0), (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}));
    }
  });
}

TEST(KernelRegistry, KnowsEveryOperationOfThePlan) {
  const std::vector<std::string> want = {"activation",
                                         "activation.grad",
                                         "add",
                                         "addInto",
                                         "affine",
                                         "concat",
                                         "constant",
                                         "copy",
                                         "crossEntropy",
                                         "div",
                                         "dotInteraction",
                                         "dotInteraction.grad",
                                         "dropout",
                                         "dropout.grad",
                                         "embedding",
                                         "expand",
                                         "expand.grad",
                                         "groupDot",
                                         "hardConcrete",
                                         "hardConcrete.grad",
                                         "linear",
                                         "linear.dw",
                                         "linear.dx",
                                         "logSumExp",
                                         "loss",
                                         "mul",
                                         "pairwiseRank",
                                         "pairwiseRank.grad",
                                         "rowDot",
                                         "rowSum",
                                         "scaleGroups",
                                         "slice",
                                         "softmax",
                                         "softmax.grad",
                                         "stopGradient",
                                         "sub",
                                         "sumRows",
                                         "unary",
                                         "unary.grad",
                                         "weightedSum",
                                         "weightedSum.grad",
                                         "zero"};
  std::vector<std::string> got = cpu_kernel_kinds();
  std::sort(got.begin(), got.end());
  EXPECT_EQ(got, want);
}

TEST(KernelRegistry, ErrorsNameTheLayer) {
  for_each_target([] {
    OpHarness unknown("convolution", 1);
    EXPECT_EQ(unknown.build_status().code(), Code::kUnsupported);
    EXPECT_NE(unknown.build_status().message().find("test.layer"), std::string::npos);

    OpHarness widths("activation", 1);
    widths.op.strings["activation"] = "relu";
    widths.op.inputs = {widths.value(3)};
    widths.op.outputs = {widths.value(4)};
    EXPECT_EQ(widths.build_status().code(), Code::kInvalidArgument);
    EXPECT_NE(widths.build_status().message().find("test.layer"), std::string::npos);
    widths.op.outputs = {widths.value(3)};
    EXPECT_TRUE(widths.build_status().ok());
    widths.op.strings["activation"] = "swish";
    EXPECT_EQ(widths.build_status().code(), Code::kInvalidArgument);
    widths.op.strings["activation"] = "relu";
    widths.op.inputs = {17};
    EXPECT_EQ(widths.build_status().code(), Code::kInvalidArgument);
    widths.op.inputs = {};
    EXPECT_EQ(widths.build_status().code(), Code::kInvalidArgument);
    widths.op.inputs = {widths.value_of_rows(1, 3, {}, Domain::kRequest)};
    EXPECT_EQ(widths.build_status().code(), Code::kInvalidArgument);
  });
}

}  // namespace
}  // namespace prerank::test
