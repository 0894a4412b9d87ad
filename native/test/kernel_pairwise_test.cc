// The pairwise loss over a batch, against all pairs in float64.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernel_harness.h"

namespace prerank::test {
namespace {

struct Pairwise {
  std::vector<float> scores, weights, events, conditions;
  std::vector<uint32_t> mask;
  double near_margin = 0.5, plain_margin = 1;
  bool squared = false, mean = true;

  size_t rows() const { return scores.size(); }

  OpHarness harness() const {
    OpHarness h("pairwiseRank", rows());
    h.op.inputs = {h.value(1, scores)};
    h.op.outputs = {h.value(1), h.value(1)};
    h.op.numbers = {{"event", 1}, {"condition", 0}, {"nearMargin", near_margin}, {"plainMargin", plain_margin}};
    h.op.strings = {{"surrogate", squared ? "squaredHinge" : "hinge"}, {"norm", mean ? "mean" : "sum"}};
    h.plan.tasks = {{"click", LossKind::kBce, 1, 1, 0}, {"conversion", LossKind::kBce, 1, 1, 0}};
    h.batch.task_mask = mask;
    h.batch.targets = {conditions.data(), events.data()};
    h.batch.weight = weights.empty() ? nullptr : weights.data();
    return h;
  }

  double weight(size_t row) const { return weights.empty() ? 1.0 : static_cast<double>(weights[row]); }
  // 2 an event, 1 a near miss, 0 plain, -1 without one of the labels.
  int kind(size_t row) const {
    if ((mask[row] & 3u) != 3u) return -1;
    return events[row] > 0.5f ? 2 : conditions[row] > 0.5f ? 1 : 0;
  }

  // Loss, and its slopes by row.
  std::pair<double, std::vector<double>> expected() const {
    double loss = 0;
    std::vector<double> slopes(rows());
    for (const int other : {0, 1}) {
      const double margin = other == 1 ? near_margin : plain_margin;
      double total = 0;
      for (size_t i = 0; i < rows(); ++i) {
        for (size_t j = 0; j < rows(); ++j) total += kind(i) == 2 && kind(j) == other ? weight(i) * weight(j) : 0;
      }
      if (total == 0) continue;
      for (size_t i = 0; i < rows(); ++i) {
        for (size_t j = 0; j < rows(); ++j) {
          if (kind(i) != 2 || kind(j) != other) continue;
          const double gap = margin - static_cast<double>(scores[i]) + static_cast<double>(scores[j]);
          if (gap <= 0) continue;
          const double w = weight(i) * weight(j) / (mean ? total : 1);
          loss += w * (squared ? gap * gap : gap);
          slopes[i] -= w * (squared ? 2 * gap : 1);
          slopes[j] += w * (squared ? 2 * gap : 1);
        }
      }
    }
    return {loss, slopes};
  }

  void check(const std::string& what) const {
    const auto [loss, slopes] = expected();
    const std::vector<double> losses(rows(), loss), all_slopes = slopes;
    for_each_target([&] {
      OpHarness h = harness();
      h.run(std::max<size_t>(rows(), 1));
      expect_near(h.read(h.op.outputs[0]), losses, 1e-6, what + ": loss");
      expect_near(h.read(h.op.outputs[1]), all_slopes, 1e-6, what + ": slopes");
      h.expect_sentinels();
    });
  }
};

Pairwise random_pairs(size_t rows, uint64_t seed) {
  Pairwise pairs;
  pairs.scores = random_floats(rows, seed);
  pairs.weights = random_floats(rows, seed + 1, 0, 2);
  pairs.conditions = random_floats(rows, seed + 2, 0, 1);
  pairs.events = random_floats(rows, seed + 3, 0, 0.7f);
  for (size_t r = 0; r < rows; ++r) pairs.mask.push_back(r % 5 == 4 ? 2u : 7u);
  return pairs;
}

TEST(KernelPairwise, WorkedExampleOfTheSpecification) {
  Pairwise pairs;
  pairs.scores = {1, 0.8f, 0.3f, -0.5f};
  pairs.conditions = {1, 1, 0, 0};
  pairs.events = {1, 0, 0, 0};
  pairs.mask = {3, 3, 3, 3};
  pairs.check("example");
  for_each_target([&] {
    OpHarness h = pairs.harness();
    h.run();
    expect_near(h.read(h.op.outputs[0]), {0.45, 0.45, 0.45, 0.45}, 1e-6, "loss");
    expect_near(h.read(h.op.outputs[1]), {-1.5, 1, 0.5, 0}, 1e-6, "slopes");
  });
}

TEST(KernelPairwise, AllPairsWithAndWithoutSquaresAndMeans) {
  for (const size_t rows : {size_t{1}, size_t{2}, size_t{17}, size_t{255}, size_t{700}}) {
    Pairwise pairs = random_pairs(rows, rows);
    for (const bool squared : {false, true}) {
      for (const bool mean : {false, true}) {
        pairs.squared = squared;
        pairs.mean = mean;
        pairs.check(std::to_string(rows) + " rows");
      }
    }
  }
}

TEST(KernelPairwise, EqualScoresAndPairsExactlyAtTheMargin) {
  Pairwise pairs = random_pairs(120, 5);
  pairs.weights.clear();
  for (float& score : pairs.scores) score = std::round(score * 2) / 2;
  for (float& score : pairs.scores) score = score == 0 ? -0.0f : score;
  pairs.scores[0] = 0;
  pairs.check("rounded scores");
  std::fill(pairs.scores.begin(), pairs.scores.end(), 0.25f);
  pairs.check("equal scores");
  pairs.near_margin = pairs.plain_margin = 0;
  pairs.check("no margin");
}

#ifdef PRERANK_EMULATED_DEVICE
// More tiles of a class than one block sums at once. All pairs would take too long: the CPU's kernel is the reference.
TEST(KernelPairwise, ManyRowsOnTheDeviceAsOnTheCpu) {
  constexpr size_t kRows = 72000;
  Pairwise pairs = random_pairs(kRows, 3);
  for (size_t r = 0; r < kRows; ++r) {
    pairs.events[r] = r % 50 == 0 ? 1.0f : 0.0f;
    pairs.conditions[r] = r % 50 == 1 ? 0.0f : 1.0f;
    pairs.mask[r] = 3;
  }
  pairs.squared = true;
  OpHarness cpu = pairs.harness(), device = pairs.harness(), again = pairs.harness();
  cpu.run_on_cpu(kRows);
  device.run();
  // One launch: the emulated device turns the order of threads from launch to launch.
  OpHarness single("activation", 1);
  single.op.strings = {{"activation", "relu"}};
  single.op.inputs = {single.value(1)};
  single.op.outputs = {single.value(1)};
  single.run();
  again.run();
  for (const int32_t output : cpu.op.outputs) {
    const std::vector<float> want = cpu.read(output);
    std::vector<double> scaled(want.begin(), want.end());
    std::vector<float> got = device.read(output);
    EXPECT_EQ(again.read(output), got);
    if (output == cpu.op.outputs[1]) {  // a slope is about 1 / rows
      for (double& value : scaled) value *= kRows;
      for (float& value : got) value *= kRows;
    }
    expect_near(got, scaled, 1e-6, "output");
  }
}
#endif

TEST(KernelPairwise, NothingWithoutEventsOrWithoutOthers) {
  for (const float label : {0.0f, 1.0f}) {
    Pairwise pairs = random_pairs(30, 9);
    std::fill(pairs.events.begin(), pairs.events.end(), label);
    for_each_target([&] {
      OpHarness h = pairs.harness();
      h.run();
      expect_near(h.read(h.op.outputs[0]), std::vector<double>(30), 0, "loss");
      expect_near(h.read(h.op.outputs[1]), std::vector<double>(30), 0, "slopes");
    });
  }
}

TEST(KernelPairwise, SaysWhenAScoreIsNotFinite) {
  Pairwise pairs = random_pairs(30, 11);
  pairs.scores[3] = std::numeric_limits<float>::quiet_NaN();
  for_each_target([&] {
    OpHarness h = pairs.harness();
    h.run();
    const std::vector<float> loss = h.read(h.op.outputs[0]);
    EXPECT_TRUE(std::all_of(loss.begin(), loss.end(), [](float value) { return std::isnan(value); }));
    expect_near(h.read(h.op.outputs[1]), std::vector<double>(30), 0, "slopes");
  });
  pairs.scores[3] = 0;
  pairs.scores[4] = std::numeric_limits<float>::infinity();  // has no label of one task: takes no part
  pairs.check("a row without labels");
}

TEST(KernelPairwise, RefusesTasksThatAreNotThere) {
  OpHarness h = random_pairs(3, 1).harness();
  h.op.numbers["event"] = 2;
  EXPECT_EQ(h.build().status().code(), Code::kInvalidArgument);
}

TEST(KernelPairwise, GradientIsTheSlopeTimesTheSumOverRows) {
  const std::vector<float> dy = {0.5f, -2, 3}, slope = {1, 0, -0.25f};
  for_each_target([&] {
    OpHarness h("pairwiseRank.grad", 3);
    h.op.inputs = {h.value(1, dy), h.value(1, slope)};
    h.op.outputs = {h.value(1)};
    h.run();
    expect_near(h.read(h.op.outputs[0]), {1.5, 0, -0.375}, 1e-7, "dScore");
    h.expect_sentinels();
  });
}

}  // namespace
}  // namespace prerank::test
