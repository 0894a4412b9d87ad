// Groups of columns with a number each, and the gates and labels of whole steps.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/philox.h"
#include "kernel_harness.h"

namespace prerank::test {
namespace {

using Rows = std::vector<std::vector<double>>;

TEST(KernelGroups, ScaleGroupsWithGatesOfRowsAndOfAllRows) {
  for (const bool shared : {false, true}) {
    for (const size_t groups : {1, 3, 22}) {
      for (const size_t dim : kWidths) {
        check_rows({.forward = "scaleGroups",
                    .widths = {groups, groups * dim},
                    .output = groups * dim,
                    .none = {shared, false}},
                   [&](const Rows& in) {
                     std::vector<double> y(groups * dim);
                     for (size_t i = 0; i < y.size(); ++i) y[i] = in[0][i / dim] * in[1][i];
                     return y;
                   });
      }
    }
  }
}

TEST(KernelGroups, GroupDotWithRowsAndWithAParameter) {
  for (const bool shared : {false, true}) {
    for (const size_t groups : {1, 3, 22}) {
      for (const size_t dim : kWidths) {
        check_rows({.forward = "groupDot",
                    .widths = {groups * dim, groups * dim},
                    .output = groups,
                    .tolerance = 1e-5,
                    .none = {false, shared}},
                   [&](const Rows& in) {
                     std::vector<double> y(groups);
                     for (size_t i = 0; i < groups * dim; ++i) y[i / dim] += in[0][i] * in[1][i];
                     return y;
                   });
      }
    }
  }
}

TEST(KernelGroups, RefuseWidthsThatAreNoMultiple) {
  for_each_target([] {
    OpHarness scale("scaleGroups", 2);
    scale.op.inputs = {scale.value(3), scale.value(7)};
    scale.op.outputs = {scale.value(7)};
    EXPECT_EQ(scale.build_status().code(), Code::kInvalidArgument);
    OpHarness dot("groupDot", 2);
    dot.op.inputs = {dot.value(7), dot.value(7)};
    dot.op.outputs = {dot.value(3)};
    EXPECT_EQ(dot.build_status().code(), Code::kInvalidArgument);
  });
}

TEST(KernelConstant, WritesItsValues) {
  for_each_target([] {
    OpHarness h("constant", 1, Domain::kNone);
    h.op.outputs = {h.value(5, {}, Domain::kNone)};
    h.op.lists = {{"values", {0.5, -2, 0, 1e-6, 3}}};
    h.run();
    expect_near(h.read(h.op.outputs[0]), {0.5, -2, 0, 1e-6, 3}, 1e-9, "values");
    h.expect_sentinels();
    h.op.lists = {{"values", {1, 2}}};
    EXPECT_EQ(h.build_status().code(), Code::kInvalidArgument);
  });
}

struct Gates {
  std::vector<float> logits;
  double temperature = 2.0 / 3, low = -0.1, high = 1.1;
  uint64_t seed = 7, step = 5;
  bool training = true;

  OpHarness harness(const std::string& kind, std::vector<float> dz = {}) const {
    OpHarness h(kind, 1, Domain::kNone);
    h.op.id = 31;
    h.op.numbers = {{"temperature", temperature}, {"low", low}, {"high", high}, {"maskOf", 31}};
    if (!dz.empty()) h.op.inputs.push_back(h.value(dz.size(), dz, Domain::kNone));
    h.op.inputs.push_back(h.value(logits.size(), logits, Domain::kNone));
    h.op.outputs = {h.value(logits.size(), {}, Domain::kNone)};
    h.seed = seed;
    h.step = step;
    h.training = training;
    return h;
  }

  double uniform(size_t i) const {
    const auto words = philox4x32({static_cast<uint32_t>(i / 4), 0, 31, static_cast<uint32_t>(step)}, philox_key(seed));
    return std::clamp((words[i % 4] + 0.5) * 0x1p-32, 1e-5, 1 - 1e-5);
  }
  double relaxed(size_t i, double logit) const {
    const double u = uniform(i);
    return 1 / (1 + std::exp(-(std::log(u / (1 - u)) + logit) / temperature));
  }
  double gate(size_t i, double logit) const {
    return std::clamp(relaxed(i, logit) * (high - low) + low, 0.0, 1.0);
  }
};

TEST(KernelGates, DrawByStepAndAreTheExpectedGateInPrediction) {
  for_each_target([] {
    Gates gates{.logits = random_floats(37, 3, -6, 6)};
    std::vector<double> drawn, expected;
    for (size_t i = 0; i < gates.logits.size(); ++i) {
      const double logit = static_cast<double>(gates.logits[i]);
      drawn.push_back(gates.gate(i, logit));
      expected.push_back(std::clamp(1.2 / (1 + std::exp(-logit)) - 0.1, 0.0, 1.0));
    }
    OpHarness h = gates.harness("hardConcrete");
    h.run();
    expect_near(h.read(h.op.outputs[0]), drawn, 1e-6, "drawn");
    EXPECT_NE(std::count(drawn.begin(), drawn.end(), 0.0), 0);
    EXPECT_NE(std::count(drawn.begin(), drawn.end(), 1.0), 0);
    h.expect_sentinels();
    gates.step = 6;
    OpHarness next = gates.harness("hardConcrete");
    next.run();
    EXPECT_NE(next.read(next.op.outputs[0]), h.read(h.op.outputs[0]));
    gates.training = false;
    OpHarness prediction = gates.harness("hardConcrete");
    prediction.run();
    expect_near(prediction.read(prediction.op.outputs[0]), expected, 1e-6, "expected");
  });
}

TEST(KernelGates, WorkedExampleOfTheSpecification) {
  for_each_target([] {
    Gates gates{.logits = {0, -2, 2}, .training = false};
    OpHarness h = gates.harness("hardConcrete");
    h.run();
    expect_near(h.read(h.op.outputs[0]), {0.5, 0.04304, 0.95696}, 1e-5, "gate");
  });
}

TEST(KernelGates, GradientIsZeroWhereClipped) {
  for_each_target([] {
    for (const double temperature : {0.1, 2.0 / 3}) {
      const Gates gates{.logits = random_floats(37, 9, -3, 3), .temperature = temperature};
      const std::vector<float> dz = random_floats(37, 10);
      std::vector<double> want;
      for (size_t i = 0; i < dz.size(); ++i) {
        const double logit = static_cast<double>(gates.logits[i]);
        const double slope = (gates.gate(i, logit + 1e-6) - gates.gate(i, logit - 1e-6)) / 2e-6;
        want.push_back(static_cast<double>(dz[i]) * slope);
      }
      OpHarness h = gates.harness("hardConcrete.grad", dz);
      h.run();
      expect_near(h.read(h.op.outputs[0]), want, 1e-5, "gradient");
      EXPECT_NE(std::count(want.begin(), want.end(), 0.0), 0);
    }
  });
}

TEST(KernelGates, RefuseSettingsWithoutMeaning) {
  for_each_target([] {
    for (const std::pair<const char*, double>& wrong :
         {std::pair{"temperature", 0.0}, std::pair{"low", 0.1}, std::pair{"high", 0.9}}) {
      OpHarness h = Gates{.logits = {0}}.harness("hardConcrete");
      h.op.numbers[wrong.first] = wrong.second;
      EXPECT_EQ(h.build_status().code(), Code::kInvalidArgument) << wrong.first;
    }
  });
}

TEST(KernelCrossEntropy, NestedEventsOverSeveralTiles) {
  const size_t rows = 300;
  const std::vector<float> logits = random_floats(rows * 3, 1, -30, 30);
  std::vector<float> shown = random_floats(rows, 2, 0, 1), clicked = random_floats(rows, 3, 0, 1);
  std::vector<uint32_t> mask;
  std::vector<double> losses, slopes;
  for (size_t r = 0; r < rows; ++r) {
    if (shown[r] <= 0.5f) clicked[r] = 0;
    mask.push_back(r % 7 == 3 ? 2u : 3u);
    const double z[] = {static_cast<double>(logits[3 * r]), static_cast<double>(logits[3 * r + 1]),
                        static_cast<double>(logits[3 * r + 2])};
    const double top = std::max({z[0], z[1], z[2]});
    const double total = std::exp(z[0] - top) + std::exp(z[1] - top) + std::exp(z[2] - top);
    const size_t label = clicked[r] > 0.5f ? 0 : shown[r] > 0.5f ? 1 : 2;
    const bool counts = mask[r] == 3u;
    losses.push_back(counts ? top + std::log(total) - z[label] : 0);
    for (size_t k = 0; k < 3; ++k) slopes.push_back(counts ? std::exp(z[k] - top) / total - (k == label ? 1 : 0) : 0);
  }
  for_each_target([&] {
    OpHarness h("crossEntropy", rows);
    h.op.inputs = {h.value(3, logits)};
    h.op.outputs = {h.value(1), h.value(3)};
    h.op.lists = {{"events", {1, 0}}};
    h.plan.tasks = {{"shown", LossKind::kBce, 1, 1, 0}, {"clicked", LossKind::kBce, 1, 1, 0}};
    h.batch.task_mask = mask;
    h.batch.targets = {shown.data(), clicked.data()};
    h.run(64);
    expect_near(h.read(h.op.outputs[0]), losses, 1e-6, "loss");
    expect_near(h.read(h.op.outputs[1]), slopes, 1e-6, "slope");
    h.expect_sentinels();
    h.op.lists = {{"events", {1, 2}}};
    EXPECT_EQ(h.build().status().code(), Code::kInvalidArgument);
  });
}

TEST(KernelCrossEntropy, WorkedExampleOfTheSpecification) {
  const std::vector<float> clicked = {1}, shown = {1};
  const std::vector<uint32_t> mask = {3};
  for_each_target([&] {
    OpHarness h("crossEntropy", 1);
    h.op.inputs = {h.value(3, {1, 0, -1})};
    h.op.outputs = {h.value(1), h.value(3)};
    h.op.lists = {{"events", {1, 0}}};
    h.plan.tasks = {{"shown", LossKind::kBce, 1, 1, 0}, {"clicked", LossKind::kBce, 1, 1, 0}};
    h.batch.task_mask = mask;
    h.batch.targets = {shown.data(), clicked.data()};
    h.run();
    expect_near(h.read(h.op.outputs[0]), {0.407606}, 1e-6, "loss");
    expect_near(h.read(h.op.outputs[1]), {0.665241 - 1, 0.244728, 0.090031}, 2e-6, "slope");
  });
}

}  // namespace
}  // namespace prerank::test
