#include <cmath>
#include <limits>

#include "kernel_harness.h"

namespace prerank::test {
namespace {

const float kNan = std::numeric_limits<float>::quiet_NaN();

// The six rows of specs of the fused loss, section 3: tasks ctr, cqs, teacher on three logits.
struct SixRows {
  std::vector<float> ctr = {0, -2, -3, 1, -1, 4}, cqs = {-1, 0.5f, 0.25f, 2, -0.5f, 0},
                     teacher = {2, -1, -2.5f, 0.5f, -0.5f, 3};
  std::vector<float> click = {1, 0, 0.05f, kNan, kNan, 0.3f};  // eCTR where augmented; undefined outside CTR traffic
  std::vector<float> value = {-1.5f, 0.5f, 0, 1, 0.5f, kNan};
  std::vector<float> ectr = {0.6f, 0.1f, 0.05f, 0.7f, 0.2f, 0.3f};
  std::vector<float> weight = {1, 1, 0.5f, 1, 0.5f, 1};
  std::vector<uint32_t> mask = {7, 7, 7, 2, 2, 5};

  // Teacher trained on its own logit, or on ctr's.
  OpHarness harness(bool own) {
    OpHarness h("loss", 6);
    h.op.inputs = {h.value(1, ctr), h.value(1, cqs), h.value(1, teacher)};
    h.op.outputs = {h.value(1), h.value(1), h.value(1)};
    h.plan.tasks = {{"ctr", LossKind::kBce, 1, 1, 0},
                    {"cqs", LossKind::kMse, 1.5, 1, 1},
                    {"teacher", LossKind::kBce, 2, 1, own ? 2 : 0}};
    h.batch.task_mask = mask;
    h.batch.targets = {click.data(), value.data(), ectr.data()};
    h.batch.weight = weight.data();
    return h;
  }
};

double total(const OpHarness& h) {
  double sum = 0;
  for (size_t k = 0; k < h.stats.size(); ++k) sum += h.plan.tasks[k].weight * h.stats[k].loss / h.stats[k].weight;
  return sum;
}

TEST(KernelLoss, TestVectorOfTheSpecification) {
  for_each_target([] {
    for (const size_t tile : {256, 4}) {
      SixRows rows;
      OpHarness h = rows.harness(true);
      h.batch.inv_n = {1 / 3.5, 1 / 4.0, 1 / 3.5};
      h.run(tile);
      EXPECT_NEAR(h.stats[0].loss, 3.737518795, 1e-6);
      EXPECT_NEAR(h.stats[1].loss, 1.78125, 1e-6);
      EXPECT_NEAR(h.stats[2].loss, 3.590721917, 1e-6);
      EXPECT_EQ(h.stats[0].weight, 3.5);
      EXPECT_EQ(h.stats[1].weight, 4);
      EXPECT_EQ(h.stats[2].weight, 3.5);
      EXPECT_EQ(h.stats[0].count, 4);
      EXPECT_EQ(h.stats[1].count, 5);
      EXPECT_EQ(h.stats[2].count, 4);
      EXPECT_NEAR(total(h), 3.787672358, 1e-6);
      EXPECT_NEAR(h.stats[0].target, 1 + 0.025 + 0.3, 1e-6);
      EXPECT_NEAR(h.stats[1].target, -1.5 + 0.5 + 1 + 0.25, 1e-6);
      EXPECT_NEAR(h.stats[1].target_sq, 2.25 + 0.25 + 1 + 0.125, 1e-6);
      EXPECT_NEAR(h.stats[1].prediction, -1 + 0.5 + 0.125 + 2 - 0.25, 1e-6);
      EXPECT_NEAR(h.stats[0].prediction, 0.5 + 0.119202922 + 0.5 * 0.047425873 + 0.98201379, 1e-6);
      for (const TaskStats& stats : h.stats) EXPECT_EQ(stats.nonfinite, 0);
      expect_near(h.read(h.op.outputs[0]), {-0.142857143, 0.0340579774, -0.0003677324, 0, 0, 0.19486108}, 2e-8, "ctr");
      expect_near(h.read(h.op.outputs[1]), {0.375, 0, 0.09375, 0.75, -0.375, 0}, 1e-7, "cqs");
      expect_near(h.read(h.op.outputs[2]), {0.16045547, 0.09653796, 0.00738805, 0, 0, 0.37289950}, 2e-8, "teacher");
      h.expect_sentinels();
    }
  });
}

TEST(KernelLoss, TeacherOnEveryRowWithItsLabel) {
  for_each_target([] {
    SixRows rows;
    rows.mask = {7, 7, 7, 6, 6, 5};
    OpHarness h = rows.harness(true);
    h.batch.inv_n = {1 / 3.5, 1 / 4.0, 1 / 5.0};
    h.run();
    EXPECT_NEAR(h.stats[2].loss, 4.501837394, 1e-6);
    EXPECT_EQ(h.stats[2].weight, 5);
    EXPECT_NEAR(total(h), 3.536566220, 1e-6);
    expect_near(h.read(h.op.outputs[2]), {0.11231883, 0.06757657, 0.00517164, -0.03101627, 0.03550813, 0.26102965},
                2e-8, "teacher");
  });
}

TEST(KernelLoss, TwoTasksOnOneLogit) {
  for_each_target([] {
    SixRows rows;
    OpHarness h = rows.harness(false);
    h.batch.inv_n = {1 / 3.5, 1 / 4.0, 1 / 3.5};
    h.run();
    std::vector<double> want;
    for (size_t r = 0; r < 6; ++r) {
      const bool trained = (rows.mask[r] & 1) != 0;
      const double p = 1 / (1 + std::exp(-static_cast<double>(rows.ctr[r])));
      const double g = (p - static_cast<double>(rows.click[r])) + 2 * (p - static_cast<double>(rows.ectr[r]));
      want.push_back(trained ? static_cast<double>(rows.weight[r]) / 3.5 * g : 0);
    }
    expect_near(h.read(h.op.outputs[0]), want, 1e-7, "ctr");
    expect_near(h.read(h.op.outputs[2]), std::vector<double>(6, 0), 0, "the unused logit");
  });
}

TEST(KernelLoss, MeanIsTheValueItselfWhateverTheTarget) {
  for_each_target([] {
    const std::vector<float> values = {0.5f, -1, 4}, targets = {kNan, 7, 0}, weights = {1, 2, 1};
    const std::vector<uint32_t> mask = {0, 1, 1};
    OpHarness h("loss", 3);
    h.op.inputs = {h.value(1, values)};
    h.op.outputs = {h.value(1)};
    h.plan.tasks = {{"term", LossKind::kMean, 0.5, 1, 0}};
    h.batch.task_mask = mask;
    h.batch.targets = {targets.data()};
    h.batch.weight = weights.data();
    h.batch.inv_n = {1 / 3.0};
    h.run();
    EXPECT_NEAR(h.stats[0].loss, 2 * -1 + 4, 1e-6);
    EXPECT_EQ(h.stats[0].weight, 3);
    expect_near(h.read(h.op.outputs[0]), {0, 0.5 * 2 / 3, 0.5 / 3}, 1e-6, "gradient");
  });
}

TEST(KernelLoss, NonFiniteRowsAreCountedAndGiveNoGradient) {
  for_each_target([] {
    SixRows rows;
    rows.ctr[1] = kNan;
    rows.ctr[3] = kNan;  // not trained there
    rows.ctr[5] = std::numeric_limits<float>::infinity();
    OpHarness h = rows.harness(true);
    h.batch.inv_n = {1 / 3.5, 1 / 4.0, 1 / 3.5};
    h.run(2);
    EXPECT_EQ(h.stats[0].nonfinite, 2);
    EXPECT_EQ(h.stats[0].first_row, 1);
    EXPECT_EQ(h.stats[1].nonfinite, 0);
    EXPECT_EQ(h.stats[1].first_row, -1);
    EXPECT_TRUE(std::isfinite(h.stats[0].loss));
    const std::vector<float> gradient = h.read(h.op.outputs[0]);
    EXPECT_EQ(gradient[1], 0);
    EXPECT_EQ(gradient[3], 0);
    EXPECT_EQ(gradient[5], 0);
    EXPECT_NE(gradient[0], 0);
  });
}

TEST(KernelLoss, TaskWithoutRowsGivesZeros) {
  for_each_target([] {
    SixRows rows;
    for (uint32_t& mask : rows.mask) mask &= ~2u;
    OpHarness h = rows.harness(true);
    h.batch.inv_n = {1 / 3.5, 0, 1 / 3.5};
    h.run();
    EXPECT_EQ(h.stats[1].count, 0);
    EXPECT_EQ(h.stats[1].loss, 0);
    expect_near(h.read(h.op.outputs[1]), std::vector<double>(6, 0), 0, "cqs");
  });
}

double reference_loss(LossKind kind, double delta, double a, double y) {
  const double r = a - y;
  switch (kind) {
    case LossKind::kBce:
      return std::max(a, 0.0) + std::log1p(std::exp(-std::abs(a))) - y * a;
    case LossKind::kMse:
      return r * r;
    case LossKind::kMean:
      return a;
    case LossKind::kHuber:
      return std::abs(r) <= delta ? 0.5 * r * r : delta * (std::abs(r) - 0.5 * delta);
    case LossKind::kPseudoHuber:
      return delta * delta * (std::sqrt(1 + r / delta * (r / delta)) - 1);
    case LossKind::kLogCosh:
      return std::log(std::cosh(r / delta));
  }
  return 0;
}

TEST(KernelLoss, EveryKindAgainstDoubleAndCentralDifferences) {
  for_each_target([] {
    constexpr size_t kRows = 255;
    for (const LossKind kind :
         {LossKind::kBce, LossKind::kMse, LossKind::kHuber, LossKind::kPseudoHuber, LossKind::kLogCosh}) {
      for (const double delta : {1.0, 0.7}) {
        const std::vector<float> a = random_floats(kRows, 1, -6, 6);
        const std::vector<float> y =
            kind == LossKind::kBce ? random_floats(kRows, 2, 0, 1) : random_floats(kRows, 2, -3, 3);
        const std::vector<uint32_t> mask(kRows, 1);
        OpHarness h("loss", kRows);
        h.op.inputs = {h.value(1, a)};
        h.op.outputs = {h.value(1)};
        h.plan.tasks = {{"t", kind, 3, delta, 0}};
        h.batch.task_mask = mask;
        h.batch.targets = {y.data()};
        h.batch.inv_n = {1.0 / kRows};
        h.run(100);
        double sum = 0;
        std::vector<double> gradient;
        for (size_t r = 0; r < kRows; ++r) {
          const double x = static_cast<double>(a[r]), label = static_cast<double>(y[r]);
          sum += reference_loss(kind, delta, x, label);
          gradient.push_back(
              3.0 / kRows *
              (reference_loss(kind, delta, x + 1e-5, label) - reference_loss(kind, delta, x - 1e-5, label)) / 2e-5);
        }
        EXPECT_NEAR(h.stats[0].loss / sum, 1, 1e-6);
        EXPECT_EQ(h.stats[0].count, kRows);
        expect_near(h.read(h.op.outputs[0]), gradient, 5e-8, "gradient");
      }
    }
  });
}

// Where a naive form cancels: confident and right, and tiny residuals.
TEST(KernelLoss, KeepsRelativeAccuracyInTheTails) {
  for_each_target([] {
    for (const float a : {-30.0f, -12.0f, 12.0f, 30.0f}) {
      const std::vector<float> label = {a > 0 ? 1.0f : 0.0f};
      const std::vector<uint32_t> mask = {1};
      OpHarness h("loss", 1);
      h.op.inputs = {h.value(1, {a})};
      h.op.outputs = {h.value(1)};
      h.plan.tasks = {{"t", LossKind::kBce, 1, 1, 0}};
      h.batch.task_mask = mask;
      h.batch.targets = {label.data()};
      h.batch.inv_n = {1};
      h.run();
      const double tail = std::exp(-std::abs(static_cast<double>(a)));
      EXPECT_NEAR(h.stats[0].loss / std::log1p(tail), 1, 1e-6);
      EXPECT_NEAR(static_cast<double>(h.read(h.op.outputs[0])[0]) / ((a > 0 ? -1 : 1) * tail / (1 + tail)), 1, 1e-6);
    }
    for (const LossKind kind : {LossKind::kPseudoHuber, LossKind::kLogCosh}) {
      const std::vector<float> label = {0};
      const std::vector<uint32_t> mask = {1};
      OpHarness h("loss", 1);
      h.op.inputs = {h.value(1, {1e-4f})};
      h.op.outputs = {h.value(1)};
      h.plan.tasks = {{"t", kind, 1, 1, 0}};
      h.batch.task_mask = mask;
      h.batch.targets = {label.data()};
      h.batch.inv_n = {1};
      h.run();
      const double r = static_cast<double>(1e-4f);
      EXPECT_NEAR(h.stats[0].loss / (r * r / 2), 1, 1e-6);
    }
  });
}

TEST(KernelLoss, CheckValuesOfTheSpecification) {
  for_each_target([] {
    const std::vector<float> r = {-3, -0.5f, 0, 0.5f, 2};
    const std::vector<float> zeros(5, 0.0f);
    const struct {
      LossKind kind;
      std::vector<double> loss;
    } cases[] = {{LossKind::kHuber, {2.5, 0.125, 0, 0.125, 1.5}},
                 {LossKind::kLogCosh, {2.309329, 0.120115, 0, 0.120115, 1.325003}}};
    for (const auto& c : cases) {
      for (size_t i = 0; i < r.size(); ++i) {
        const std::vector<uint32_t> mask = {1};
        OpHarness h("loss", 1);
        h.op.inputs = {h.value(1, {r[i]})};
        h.op.outputs = {h.value(1)};
        h.plan.tasks = {{"t", c.kind, 1, 1, 0}};
        h.batch.task_mask = mask;
        h.batch.targets = {zeros.data()};
        h.batch.inv_n = {1};
        h.run();
        EXPECT_NEAR(h.stats[0].loss, c.loss[i], 1e-6);
      }
    }
  });
}

}  // namespace
}  // namespace prerank::test
