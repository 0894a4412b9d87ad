#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "metrics/task_metrics.h"
#include "metrics_fixture.h"

namespace prerank {
namespace {

using testing_metrics::Table;

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

struct Given {
  std::vector<float> labels = {}, predictions = {}, weights = {};
  std::vector<uint32_t> groups = {};
  std::vector<size_t> chunks = {};
};

TaskMetrics judge(const Given& given, TaskMetricsOptions options) {
  Table table(given.chunks.empty() ? std::vector<size_t>{given.labels.size()} : given.chunks);
  table.add("y", given.labels);
  options.rows.label = "y";
  options.prediction.outputs = given.predictions;
  options.auc = options.ece = options.probability;
  if (!given.weights.empty()) {
    table.add("w", given.weights);
    options.rows.weight = "w";
  }
  if (!given.groups.empty()) {
    table.add("g", given.groups);
    options.group = "g";
  }
  const auto result = task_metrics(*table.dataset(), options);
  EXPECT_TRUE(result.ok()) << result.status().message();
  return result.value();
}

TEST(TaskMetrics, AucExamples) {
  const std::vector<float> y = {1, 0, 1, 0}, s = {.9f, .8f, .8f, .1f};
  EXPECT_DOUBLE_EQ(judge({.labels = y, .predictions = s}, {}).auc, 0.875);
  EXPECT_NEAR(judge({.labels = y, .predictions = s, .weights = {2, 1, 1, 3}}, {}).auc, 11.5 / 12, 1e-15);
  EXPECT_DOUBLE_EQ(judge({.labels = y, .predictions = {.3f, .3f, .3f, .3f}}, {}).auc, 0.5);
  EXPECT_DOUBLE_EQ(judge({.labels = {1, 0}, .predictions = {0.0f, -0.0f}}, {}).auc, 0.5);
  EXPECT_TRUE(std::isnan(judge({.labels = {1, 1}, .predictions = {.1f, .2f}}, {}).auc));
  EXPECT_TRUE(std::isnan(judge({.labels = {}, .predictions = {}}, {}).auc));
}

TEST(TaskMetrics, GroupedAucExample) {
  const std::vector<float> y = {1, 0, 0, 1, 1, 1, 0, 1, 0}, s = {.3f, .2f, .5f, .4f, .6f, .9f, .8f, .8f, .1f};
  const std::vector<uint32_t> together = {9, 9, 9, 4, 4, 7, 7, 7, 7};
  // The same groups with their rows interleaved.
  const std::vector<float> y2 = {1, 1, 1, 0, 0, 0, 1, 1, 0}, s2 = {.3f, .4f, .9f, .2f, .8f, .5f, .6f, .8f, .1f};
  const std::vector<uint32_t> apart = {9, 4, 7, 9, 7, 9, 4, 7, 7};
  for (const Given& given : {Given{y, s, {}, together, {}}, Given{y2, s2, {}, apart, {4, 5}}}) {
    const TaskMetrics rows = judge(given, {});
    EXPECT_NEAR(rows.group_sum / rows.group_weight, 5.0 / 7, 1e-12);
    EXPECT_EQ(rows.groups, 2u);
    const TaskMetrics clicks = judge(given, {.group_weight = GroupWeight::kClicks});
    EXPECT_NEAR(clicks.group_sum / clicks.group_weight, (0.5 + 2 * .875) / 3, 1e-12);
    const TaskMetrics one = judge(given, {.group_weight = GroupWeight::kOne});
    EXPECT_NEAR(one.group_sum / one.group_weight, (0.5 + .875) / 2, 1e-12);
  }
}

TEST(TaskMetrics, SumExamples) {
  const Given log_loss{.labels = {1, 0, 0, 0, 1}, .predictions = {.6f, .2f, .1f, .3f, .5f}};
  const TaskMetrics plain = judge(log_loss, {});
  EXPECT_NEAR(plain.loss / plain.weight, 0.377830, 5e-7);
  EXPECT_NEAR(plain.prediction / plain.target, 0.85, 1e-7);
  Given weighted = log_loss;
  weighted.weights = {1, 2, 1, 1, 1};
  const TaskMetrics w = judge(weighted, {});
  EXPECT_NEAR(w.loss / w.weight, 0.352049, 5e-7);
  EXPECT_NEAR(w.target / w.weight, 1.0 / 3, 1e-12);
  const TaskMetrics ece = judge({.labels = {0, 1, 1, 1}, .predictions = {.1f, .3f, .6f, .8f}}, {.ece_bins = 2});
  EXPECT_NEAR(ece.ece, 0.3, 1e-7);
  const TaskMetrics squared =
      judge({.labels = {1, -2, .5f}, .predictions = {.5f, -1, .5f}}, {.probability = false});
  EXPECT_NEAR(squared.loss / squared.weight, 0.416667, 5e-7);
  EXPECT_NEAR(squared.loss / squared.spread, 0.241935, 5e-7);
}

TEST(TaskMetrics, ReadsOutputsByTheirLink) {
  TaskMetricsOptions sigmoid;
  sigmoid.prediction.link = Link::kSigmoid;
  const TaskMetrics p = judge({.labels = {1, 0, 1}, .predictions = {0, -2, 200}}, sigmoid);
  EXPECT_NEAR(p.prediction, 0.5 + 1 / (1 + std::exp(2.0)) + 1, 1e-15);
  // Two logits that are both read as 1 are a tie.
  EXPECT_EQ(judge({.labels = {1, 0}, .predictions = {200, 100}}, sigmoid).auc, 0.5);
  TaskMetricsOptions scaled{.probability = false};
  scaled.prediction.scale = 2;
  scaled.prediction.shift = 3;
  EXPECT_EQ(judge({.labels = {4}, .predictions = {1}}, scaled).loss, 0.25);
}

TEST(TaskMetrics, JudgesTheRowsThatCarryTheLabel) {
  Table table({3, 3});
  table.add("y", std::vector<float>{1, kMissing, 0, 1, 0, 1}).add("pseudo", std::vector<float>(6, .5f));
  table.add("shown", std::vector<uint8_t>{1, 1, 1, 0, 1, 1}).add("traffic", std::vector<uint8_t>{1, 1, 1, 1, 0, 1});
  const std::vector<float> p = {.25f, .5f, .25f, .75f, .5f, .5f};
  TaskMetricsOptions options;
  options.prediction.outputs = p;
  options.rows = {.label = "y", .traffic = "traffic", .shown = "shown"};
  const TaskMetrics shown = task_metrics(*table.dataset(), options).value();
  EXPECT_EQ(shown.rows, 3u);
  EXPECT_EQ(shown.prediction, 1);
  EXPECT_EQ(shown.target, 2);
  options.rows = {.label = "pseudo", .traffic = "traffic", .shown = "shown", .shown_is = false};
  const TaskMetrics unseen = task_metrics(*table.dataset(), options).value();
  EXPECT_EQ(unseen.rows, 1u);
  EXPECT_EQ(unseen.prediction, .75);
}

// Every pair of rows, as the definition says.
double auc_by_pairs(const Given& given) {
  double pairs = 0, positive = 0, negative = 0;
  for (size_t i = 0; i < given.labels.size(); ++i) {
    const double wp = double{given.weights[i]} * given.labels[i];
    positive += wp;
    negative += double{given.weights[i]} * (1 - given.labels[i]);
    for (size_t j = 0; j < given.labels.size(); ++j) {
      const float a = given.predictions[i], b = given.predictions[j];
      pairs += wp * given.weights[j] * (1 - given.labels[j]) * (a > b ? 1 : a == b ? 0.5 : 0);
    }
  }
  return pairs / (positive * negative);
}

TEST(TaskMetrics, AucEqualsTheSumOverPairs) {
  std::mt19937 random(3);
  for (int round = 0; round < 20; ++round) {
    Given given;
    for (int i = 0; i < 150; ++i) {
      given.predictions.push_back(static_cast<float>(random() % 40) / 64);
      given.labels.push_back(static_cast<float>(random() % 5) / 4);
      given.weights.push_back(static_cast<float>(random() % 10));
    }
    EXPECT_NEAR(judge(given, {}).auc, auc_by_pairs(given), 1e-12);
  }
}

Given large() {
  std::mt19937 random(9);
  Given given;
  for (size_t i = 0; i < 300000; ++i) {
    given.predictions.push_back(static_cast<float>(random() % 100000) / 100000);
    given.labels.push_back(random() % 3 == 0 ? kMissing : static_cast<float>(random() % 4 == 0));
    given.weights.push_back(static_cast<float>(random() % 4));
    given.groups.push_back(static_cast<uint32_t>(random() % 5000));
  }
  given.chunks = {100000, 1, 99999, 100000};
  return given;
}

TEST(TaskMetrics, AreTheSameForAnyNumberOfThreads) {
  const Given given = large();
  const TaskMetrics one = judge(given, {.threads = 1}), three = judge(given, {.threads = 3});
  EXPECT_EQ(one.rows, three.rows);
  for (const auto field : {&TaskMetrics::weight, &TaskMetrics::loss, &TaskMetrics::prediction, &TaskMetrics::target,
                           &TaskMetrics::spread, &TaskMetrics::auc, &TaskMetrics::ece, &TaskMetrics::group_sum}) {
    EXPECT_EQ(one.*field, three.*field);
  }
  EXPECT_EQ(one.auc_error, 0);
}

TEST(TaskMetrics, BinsStayWithinTheirError) {
  const Given given = large();
  const TaskMetrics exact = judge(given, {}), binned = judge(given, {.exact_rows = 1000});
  EXPECT_GT(binned.auc_error, 0);
  EXPECT_LE(std::abs(binned.auc - exact.auc), binned.auc_error);
  EXPECT_NEAR(binned.ece, exact.ece, 1e-3);
}

TEST(TaskMetrics, NameTheFirstBadRow) {
  Given given = large();
  given.labels[150000] = 2;
  given.labels[250000] = -1;
  for (const size_t threads : {1, 3}) {
    const auto fault = judge(given, {.threads = threads}).fault;
    ASSERT_TRUE(fault);
    EXPECT_EQ(fault->row, 150000u);
    EXPECT_EQ(fault->input, TaskFault::Input::kLabel);
    EXPECT_EQ(fault->value, 2);
  }
  EXPECT_EQ(judge({.labels = {1, 0}, .predictions = {.5f, kMissing}}, {}).fault->input, TaskFault::Input::kPrediction);
  EXPECT_EQ(judge({.labels = {1, 0}, .predictions = {.5f, 1}, .weights = {1, -1}}, {}).fault->input,
            TaskFault::Input::kWeight);
}

TEST(TaskMetrics, RefuseWhatDoesNotFit) {
  Table table({2});
  table.add("y", std::vector<float>{0, 1});
  TaskMetricsOptions options;
  options.rows.label = "y";
  EXPECT_EQ(task_metrics(*table.dataset(), options).status().code(), Code::kInvalidArgument);
  const std::vector<float> p = {.5f, .5f};
  options.prediction.outputs = p;
  options.rows.weight = "nothing";
  EXPECT_EQ(task_metrics(*table.dataset(), options).status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace prerank
