// The summaries of the features.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "encode_fixture.h"
#include "ingest/statistics_moments.h"

namespace prerank::testing_encode {
namespace {

using ingest::Physical;

struct Reference {
  double minimum, maximum, mean, deviation, skewness;
};

// In extended precision and two passes.
Reference reference(const std::vector<double>& values) {
  long double sum = 0, second = 0, third = 0;
  for (const double x : values) sum += x;
  const auto count = static_cast<long double>(values.size());
  const long double mean = sum / count;
  for (const double x : values) {
    second += (x - mean) * (x - mean);
    third += (x - mean) * (x - mean) * (x - mean);
  }
  const long double variance = second / count;
  return {*std::min_element(values.begin(), values.end()), *std::max_element(values.begin(), values.end()),
          static_cast<double>(mean), static_cast<double>(std::sqrt(variance)),
          static_cast<double>(third / count / std::pow(variance, 1.5L))};
}

TEST(EncodeStatistics, MomentsAreStableFarFromZero) {
  std::mt19937_64 random(3);
  std::exponential_distribution<double> exponential(1);
  std::vector<double> values = {0};
  for (int i = 0; i < 100000; ++i) values.push_back(1e9 + exponential(random));
  values.erase(values.begin());
  ingest::MomentStream stream;
  stream.add(values);
  const ingest::CentralMoments moments = stream.take();
  const Reference wanted = reference(values);
  const auto count = static_cast<double>(moments.count);
  EXPECT_EQ(moments.count, values.size());
  EXPECT_NEAR(moments.mean, wanted.mean, 1e-6);
  EXPECT_NEAR(std::sqrt(moments.second / count), wanted.deviation, 1e-7);
  EXPECT_NEAR(moments.third / count / std::pow(moments.second / count, 1.5), wanted.skewness, 1e-5);
  EXPECT_EQ(stream.take().count, 0u);
}

TEST(EncodeStatistics, MomentsDoNotDependOnTheCalls) {
  std::mt19937_64 random(4);
  std::vector<double> values(5000);
  for (double& value : values) value = std::ldexp(static_cast<double>(random()), -60) - 3;
  ingest::MomentStream whole, pieces;
  whole.add(values);
  for (size_t from = 0; from < values.size();) {
    const size_t count = std::min<size_t>(random() % 700, values.size() - from);
    pieces.add({values.data() + from, count});
    from += count;
  }
  const auto a = whole.take(), b = pieces.take();
  EXPECT_EQ(a.mean, b.mean);
  EXPECT_EQ(a.second, b.second);
  EXPECT_EQ(a.third, b.third);
}

TEST(EncodeStatistics, SummarisesDenseFeaturesBeforeTheTransforms) {
  std::mt19937_64 random(5);
  TestLog log(5000);
  Cells cells, bad, requests;
  std::vector<double> kept;
  size_t nulls = 0, rows = 0;
  for (size_t row = 0; row < log.rows(); ++row) {
    const bool is_null = random() % 7 == 0, is_bad = random() % 11 == 0;
    const double value = static_cast<double>(random() % 100000) / 7 - 300;
    cells.push_back(is_null ? Cell() : Cell(value));
    bad.push_back(is_bad ? -1 : 0);
    if (is_bad) continue;
    ++rows;
    nulls += is_null;
    if (!is_null) kept.push_back(value);
  }
  IngestSpec spec;
  spec.dense.push_back(dense(log.add(Physical::kDouble, cells), {DenseTransform::kLog1p}));
  spec.numbers.push_back(number(log.add(Physical::kInt8, bad), NumberRule::kNonNegative, false));
  order_outputs(spec);
  std::vector<Work> work(3);
  work[0].block = log.block(0, 1000, 300, nullptr);
  work[1].block = log.block(1000, 1001, 300, nullptr);
  work[1].worker = 1;
  work[1].new_part = true;
  work[2].block = log.block(1001, 5000, 2048, nullptr);
  work[2].new_part = true;
  const Encoded encoded = encode(spec, std::move(work), 2);
  const FeatureSummary& summary = encoded.features.at(0);
  const Reference wanted = reference(kept);
  EXPECT_EQ(summary.output, spec.dense[0].output);
  EXPECT_EQ(summary.rows, rows);
  EXPECT_EQ(summary.nulls, nulls);
  EXPECT_EQ(summary.minimum, wanted.minimum);
  EXPECT_EQ(summary.maximum, wanted.maximum);
  EXPECT_NEAR(summary.mean, wanted.mean, 1e-9);
  EXPECT_NEAR(summary.deviation, wanted.deviation, 1e-9);
  EXPECT_NEAR(summary.skewness, wanted.skewness, 1e-9);
  EXPECT_TRUE(std::isnan(summary.top_share));
  EXPECT_FALSE(summary.constant_in_request);
}

TEST(EncodeStatistics, AColumnOfNullsHasNoMoments) {
  TestLog log(2);
  IngestSpec spec;
  spec.dense.push_back(dense(log.add(Physical::kFloat, {{}, {}})));
  spec.dense.push_back(dense(log.add(Physical::kInt8, {4, 4})));
  const Encoded encoded = encode(order_outputs(spec), log.all());
  EXPECT_EQ(encoded.features[0].nulls, 2u);
  EXPECT_TRUE(std::isnan(encoded.features[0].mean));
  EXPECT_TRUE(std::isnan(encoded.features[0].minimum));
  EXPECT_EQ(encoded.features[1].deviation, 0);
  EXPECT_EQ(encoded.features[1].skewness, 0);
}

TEST(EncodeStatistics, SeesWhichFeaturesAreConstantInARequest) {
  TestLog log(6);
  const size_t request = log.add(Physical::kInt32, {1, 1, 2, 2, 2, 3});
  IngestSpec spec;
  spec.request_input = request;
  spec.dense = {dense(log.add(Physical::kInt32, {5, 5, 6, 6, 6, 5})),
                dense(log.add(Physical::kInt32, {5, 5, 6, 6, 7, 5}))};
  const auto lists = [&](Cells cells) { return id_list(log.add_lists(Physical::kInt32, std::move(cells))); };
  spec.ids = {id(log.add(Physical::kInt32, {1, 1, 1, 1, 1, 2})),
              id(log.add(Physical::kInt32, {1, 2, 1, 1, 1, 2})),
              lists({list({1, 2}), list({1, 2}), list({}), {}, list({}), list({1})}),
              lists({list({1}), list({1}), list({1, 2}), list({2, 1}), list({1, 2}), {}}),
              lists({list({1}), list({1}), list({1}), list({1, 1}), list({1}), {}})};
  spec.tables = {vocabulary(ValueType::kInt, {"1", "2"})};
  for (auto& column : spec.dense) column.of_request = true;
  for (auto& column : spec.ids) column.of_request = true;
  order_outputs(spec);
  const std::vector<bool> wanted = {true, false, true, false, true, false, false};
  const auto constant = [&](const Encoded& encoded) {
    std::vector<bool> found;
    for (const FeatureSummary& feature : encoded.features) found.push_back(feature.constant_in_request);
    return found;
  };
  EXPECT_EQ(constant(encode(spec, log.all(&request))), wanted);
  EXPECT_EQ(constant(encode(spec, log.block(0, 6, 2, &request))), wanted);
  // Row 5 spoils the second dense feature: without it the feature is constant.
  spec.numbers.push_back(number(log.add(Physical::kInt32, {0, 0, 0, 0, -1, 0}), NumberRule::kNonNegative, false));
  order_outputs(spec);
  EXPECT_TRUE(encode(spec, log.all(&request)).features[1].constant_in_request);
  IngestSpec unwatched = spec;
  unwatched.dense[0].of_request = false;
  EXPECT_FALSE(encode(unwatched, log.all(&request)).features[0].constant_in_request);
}

TEST(EncodeStatistics, CountsDistinctIds) {
  std::mt19937_64 random(8);
  TestLog log(20000);
  Cells integers, texts;
  std::set<int64_t> values;
  for (size_t row = 0; row < log.rows(); ++row) {
    const auto value = static_cast<int64_t>(std::min(random() % 9000, random() % 9000));
    values.insert(value);
    integers.push_back(value);
    texts.push_back("value " + std::to_string(value));
  }
  const size_t integer = log.add(Physical::kInt32, integers), text = log.add(Physical::kString, texts);
  IngestSpec spec;
  spec.tables = {hashed(ValueType::kInt, 10), hashed(ValueType::kString, 1000), vocabulary(ValueType::kInt, {"1", "2"}),
                 vocabulary(ValueType::kString, {}, true), vocabulary(ValueType::kInt, {}, true)};
  spec.ids = {id(integer, 0), id(text, 1), id(integer, 2), id(text, 3), id(integer, 4), id(integer, 4)};
  for (size_t i = 0; i < spec.ids.size(); ++i) spec.ids[i].output += std::to_string(i);
  const Encoded encoded = encode(order_outputs(spec), log.all());
  const auto distinct = static_cast<double>(values.size());
  for (const size_t estimated : {0, 1, 2, 4, 5}) {
    EXPECT_NEAR(static_cast<double>(encoded.features[estimated].distinct), distinct, 0.025 * distinct) << estimated;
    EXPECT_TRUE(std::isnan(encoded.features[estimated].top_share));
  }
  EXPECT_EQ(encoded.features[3].distinct, values.size());
  const auto known = static_cast<uint64_t>(std::count_if(integers.begin(), integers.end(), [](const Cell& cell) {
    return cell.integer == 1 || cell.integer == 2;
  }));
  EXPECT_EQ(encoded.features[2].out_of_vocabulary, log.rows() - known);
}

}  // namespace
}  // namespace prerank::testing_encode
