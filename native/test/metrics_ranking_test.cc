#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "metrics/ranking.h"
#include "metrics/sort.h"

namespace prerank {
namespace {

TEST(Auc, WorkedExamples) {
  const std::vector<double> y = {1, 0, 1, 0}, s = {.9, .8, .8, .1};
  EXPECT_DOUBLE_EQ(auc(s, y, {}).value(), 0.875);
  EXPECT_NEAR(auc(s, y, std::vector<double>{2, 1, 1, 3}).value(), 11.5 / 12, 1e-15);
  EXPECT_DOUBLE_EQ(auc(std::vector<double>{3, 3, 3, 3}, y, {}).value(), 0.5);
  EXPECT_DOUBLE_EQ(auc(std::vector<double>{0.0, -0.0}, std::vector<double>{1, 0}, {}).value(), 0.5);
  EXPECT_TRUE(std::isnan(auc(s, std::vector<double>{1, 1, 1, 1}, {}).value()));
  EXPECT_TRUE(std::isnan(auc({}, {}, {}).value()));
}

TEST(Gauc, WorkedExample) {
  const std::vector<double> y = {1, 0, 0, 1, 1, 1, 0, 1, 0}, s = {.3, .2, .5, .4, .6, .9, .8, .8, .1};
  const std::vector<uint32_t> groups = {9, 9, 9, 4, 4, 7, 7, 7, 7};
  const auto rows = grouped_auc(s, y, {}, groups, GroupWeight::kRows).value();
  EXPECT_NEAR(rows.weighted_sum / rows.weight, 5.0 / 7, 1e-12);
  EXPECT_EQ(rows.groups, 2u);
  const auto clicks = grouped_auc(s, y, {}, groups, GroupWeight::kClicks).value();
  EXPECT_NEAR(clicks.weighted_sum / clicks.weight, (0.5 + 2 * .875) / 3, 1e-12);
  const auto one = grouped_auc(s, y, {}, groups, GroupWeight::kOne).value();
  EXPECT_NEAR(one.weighted_sum / one.weight, (0.5 + .875) / 2, 1e-12);
}

TEST(Recall, WorkedExamples) {
  // Two requests with their rows interleaved; the first has code 8.
  const std::vector<double> final_scores = {10, 4, 8, 2, 5, 1, 3, 1}, early = {.2, 1, .9, 2, .5, 3, .8, .1};
  const std::vector<uint32_t> requests = {8, 3, 8, 3, 8, 3, 8, 8};
  const auto result = recall(early, final_scores, requests, 2, 2).value();
  ASSERT_EQ(result.requests, (std::vector<uint32_t>{3, 8}));
  const RequestRecall& second = result.per_request[0];
  const RequestRecall& first = result.per_request[1];
  EXPECT_EQ(first.rows, 5);
  EXPECT_EQ(first.k, 2);
  EXPECT_EQ(first.hits, 1);
  EXPECT_EQ(first.soft_numerator, 11);
  EXPECT_EQ(first.soft_denominator, 18);
  EXPECT_EQ(second.hits, 1);
  EXPECT_EQ(second.soft_numerator, 3);
  EXPECT_EQ(second.soft_denominator, 6);
  const auto three = recall(early, final_scores, requests, 3, 3).value().per_request[1];
  EXPECT_NEAR(three.dcg / three.idcg, 0.706245, 5e-7);
  EXPECT_EQ(recall(early, final_scores, requests, 0, 1).status().code(), Code::kInvalidArgument);
}

TEST(Recall, TiesGoByRowAndSizesMayDiffer) {
  const std::vector<uint32_t> one(4, 0);
  const std::vector<double> flat(4, 1.0), final_scores = {1, 2, 3, -4};
  EXPECT_EQ(recall(flat, final_scores, one, 1, 2).value().per_request[0].hits, 0);
  EXPECT_EQ(recall(flat, final_scores, one, 1, 3).value().per_request[0].hits, 1);
  const auto all = recall(flat, final_scores, one, 10, 10).value().per_request[0];
  EXPECT_EQ(all.k, 4);
  EXPECT_EQ(all.hits, 4);
  EXPECT_EQ(all.soft_numerator, 2);
  EXPECT_NEAR(all.dcg, 1 + 2 / std::log2(3.0) + 3 / 2.0, 1e-12);  // the negative gain counts as 0
}

// Every pair of rows, as the definition says.
double auc_by_pairs(std::span<const double> s, std::span<const double> y, std::span<const double> w) {
  double pairs = 0, positive = 0, negative = 0;
  for (size_t i = 0; i < s.size(); ++i) {
    positive += w[i] * y[i];
    negative += w[i] * (1 - y[i]);
    for (size_t j = 0; j < s.size(); ++j) {
      pairs += w[i] * y[i] * w[j] * (1 - y[j]) * (s[i] > s[j] ? 1 : s[i] == s[j] ? 0.5 : 0);
    }
  }
  return pairs / (positive * negative);
}

TEST(Auc, EqualsTheSumOverPairs) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 20; ++round) {
    std::vector<double> s, y, w;
    for (int i = 0; i < 150; ++i) {
      s.push_back(static_cast<double>(random() % 40) / 7 - 3);
      y.push_back(static_cast<double>(random() % 5) / 4);
      w.push_back(static_cast<double>(random() % 10) / 3);
    }
    EXPECT_NEAR(auc(s, y, w).value(), auc_by_pairs(s, y, w), 1e-12);
  }
}

TEST(Sort, IsStableAndOrdersNegativeNumbers) {
  std::mt19937_64 random(4);
  std::vector<double> scores;
  for (int i = 0; i < 5000; ++i)
    scores.push_back((static_cast<double>(random() % 2001) - 1000) * std::pow(10.0, static_cast<double>(random() % 5)));
  std::vector<uint32_t> rows(scores.size()), expected(scores.size());
  std::iota(rows.begin(), rows.end(), 0u);
  expected = rows;
  sort_by_score(scores, rows);
  std::stable_sort(expected.begin(), expected.end(), [&](uint32_t a, uint32_t b) { return scores[a] < scores[b]; });
  EXPECT_EQ(rows, expected);
}

}  // namespace
}  // namespace prerank
