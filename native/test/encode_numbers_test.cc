// Roles, labels and dense features: rules, types, nulls, transforms.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "encode_fixture.h"
#include "ingest/dense_transform.h"

namespace prerank::testing_encode {
namespace {

using ingest::Physical;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

const Physical kNumericTypes[] = {Physical::kBool,  Physical::kInt8,   Physical::kInt16,  Physical::kInt32,
                                  Physical::kInt64, Physical::kUint8,  Physical::kUint16, Physical::kUint32,
                                  Physical::kUint64, Physical::kFloat, Physical::kDouble};

Encoded encode_number(Physical type, Cells cells, NumberRule rule, bool nullable,
                      ColumnType output = ColumnType::kFloat32) {
  TestLog log(cells.size());
  IngestSpec spec;
  spec.numbers.push_back(number(log.add(type, std::move(cells)), rule, nullable));
  spec.numbers[0].type = output;
  return encode(order_outputs(spec), log.all());
}

Encoded encode_dense(Physical type, Cells cells, std::vector<DenseTransform> transforms,
                     NullPolicy nulls = NullPolicy::kDefault) {
  TestLog log(cells.size());
  IngestSpec spec;
  spec.dense.push_back(dense(log.add(type, std::move(cells)), std::move(transforms), nulls));
  spec.dense[0].mean = 2;
  spec.dense[0].deviation = 4;
  return encode(order_outputs(spec), log.all());
}

void expect_same(const std::vector<double>& found, const std::vector<double>& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t i = 0; i < found.size(); ++i) {
    if (std::isnan(wanted[i])) EXPECT_TRUE(std::isnan(found[i])) << i;
    else EXPECT_EQ(found[i], wanted[i]) << i;
  }
}

TEST(EncodeNumbers, ReadsEveryNumericType) {
  for (const Physical type : kNumericTypes) {
    const Encoded encoded = encode_number(type, {1, 0, {}, 1}, NumberRule::kBinary, true);
    expect_same(encoded.numbers.at("x1"), {1, 0, kNan, 1});
    EXPECT_TRUE(encoded.rejects.empty());
  }
}

TEST(EncodeNumbers, KeepsTheValuesOfWideIntegers) {
  expect_same(encode_number(Physical::kInt8, {-128, 127}, NumberRule::kFinite, true).numbers.at("x1"), {-128, 127});
  expect_same(encode_number(Physical::kUint8, {255}, NumberRule::kFinite, true).numbers.at("x1"), {255});
  expect_same(encode_number(Physical::kUint64, {~uint64_t{0}}, NumberRule::kFinite, true).numbers.at("x1"),
              {18446744073709551616.0});
  expect_same(encode_number(Physical::kInt64, {int64_t{-1} << 62}, NumberRule::kFinite, true).numbers.at("x1"),
              {-4611686018427387904.0});
}

TEST(EncodeNumbers, RejectsWhatARuleForbids) {
  struct Case {
    NumberRule rule;
    double bad;
    std::string reason;
  };
  const Case cases[] = {
      {NumberRule::kNonNegative, -0.5, "x is negative"},
      {NumberRule::kProbability, 1.5, "x is outside [0, 1]"},
      {NumberRule::kProbability, -1, "x is outside [0, 1]"},
      {NumberRule::kBinary, 0.5, "x is neither 0 nor 1"},
      {NumberRule::kStage, 7, "x is no stage"},
      {NumberRule::kStage, -1, "x is no stage"},
      {NumberRule::kStage, 2.5, "x is no stage"},
      {NumberRule::kObjective, 3, "x is no objective"},
      {NumberRule::kFinite, kNan, "x is NaN"},
      {NumberRule::kBinary, kInfinity, "x is Infinity"},
      {NumberRule::kFinite, -kInfinity, "x is -Infinity"},
      {NumberRule::kFinite, -1e39, "x is too large for float32"},
  };
  for (const Case& test : cases) {
    const Encoded encoded = encode_number(Physical::kDouble, {0, test.bad, {}, 1}, test.rule, true);
    expect_same(encoded.numbers.at("x1"), {0, kNan, 1});
    ASSERT_EQ(reasons(encoded), std::vector<std::string>{"2: " + test.reason});
    EXPECT_EQ(encoded.rejects[0].file, "log.parquet");
    EXPECT_EQ(encoded.rejects[0].column, "x");
    EXPECT_EQ(encoded.counts.rejected, 1u);
    EXPECT_EQ(encoded.counts.rows, 3u);
  }
}

TEST(EncodeNumbers, AdmitsTheEdgesOfTheRules) {
  const double largest = std::numeric_limits<float>::max();
  expect_same(encode_number(Physical::kDouble, {largest, -largest}, NumberRule::kFinite, true).numbers.at("x1"),
              {largest, -largest});
  expect_same(encode_number(Physical::kInt8, {0, 6, 3}, NumberRule::kStage, false).numbers.at("x1"), {0, 6, 3});
  expect_same(encode_number(Physical::kInt8, {0, 1, 2}, NumberRule::kObjective, false).numbers.at("x1"), {0, 1, 2});
  expect_same(encode_number(Physical::kFloat, {0.0, 1.0}, NumberRule::kProbability, false).numbers.at("x1"), {0, 1});
}

TEST(EncodeNumbers, RejectsNullWhereNoneMayBe) {
  const Encoded encoded = encode_number(Physical::kInt32, {1, {}, 0}, NumberRule::kBinary, false, ColumnType::kUint8);
  expect_same(encoded.numbers.at("x1"), {1, 0});
  EXPECT_EQ(reasons(encoded), std::vector<std::string>{"2: x is null"});
  EXPECT_EQ(encoded.rejects[0].value, "");
}

TEST(EncodeNumbers, WritesBytesAndSkipsBadOnes) {
  const Encoded encoded = encode_number(Physical::kDouble, {6, -1e30, kNan, 1, 300}, NumberRule::kStage, false,
                                        ColumnType::kUint8);
  expect_same(encoded.numbers.at("x1"), {6, 1});
  EXPECT_EQ(encoded.rejects[0].value, "-1e+30");
}

TEST(EncodeNumbers, RefusesTexts) {
  TestLog log(1);
  IngestSpec spec;
  spec.numbers.push_back(number(log.add(Physical::kString, {"1"}), NumberRule::kFinite, true));
  auto encoder = ingest::BatchEncoder::create(order_outputs(spec));
  ASSERT_TRUE(encoder.ok());
  std::vector<RejectedRow> rejects;
  EXPECT_EQ(encoder.value()->encode(log.all(), rejects).code(), Code::kInvalidArgument);
}

// impression, traffic, click, conversion
Encoded encode_roles(const std::vector<std::vector<Cell>>& rows, bool with_impression = true,
                     bool with_traffic = true) {
  TestLog log(rows.size());
  IngestSpec spec;
  const NumberRole roles[] = {NumberRole::kImpression, NumberRole::kCtrTraffic, NumberRole::kClick,
                              NumberRole::kConversion};
  const char* const labels[] = {"impression", "ctrTraffic", "click", "conversion"};
  for (size_t role = 0; role < 4; ++role) {
    Cells cells;
    for (const auto& row : rows) cells.push_back(row[role]);
    const size_t input = log.add(Physical::kInt32, cells);
    if ((role == 0 && !with_impression) || (role == 1 && !with_traffic)) continue;
    spec.numbers.push_back(number(input, NumberRule::kBinary, role > 1, roles[role]));
    spec.numbers.back().label = labels[role];
  }
  return encode(order_outputs(spec), log.all());
}

TEST(EncodeNumbers, RejectsRolesThatContradictEachOther) {
  const Encoded encoded = encode_roles({{1, 1, 1, 1},
                                        {0, 1, 1, 0},
                                        {0, 1, 0, 1},
                                        {0, 1, {}, {}},
                                        {1, 1, {}, 0},
                                        {1, 0, {}, 0},
                                        {0, 0, 1, 1}});
  EXPECT_EQ(reasons(encoded), (std::vector<std::string>{
                                  "2: click without impression", "3: conversion without impression",
                                  "5: impression in CTR traffic without a click label (null)",
                                  "7: click without impression"}));
  EXPECT_EQ(encoded.rejects[0].column, "click");
  EXPECT_EQ(encoded.rejects[0].value, "1");
  EXPECT_EQ(encoded.rejects[1].column, "conversion");
  EXPECT_EQ(encoded.rejects[2].value, "");
  EXPECT_EQ(encoded.counts.rows, 3u);
}

TEST(EncodeNumbers, TakesRowsAsShownAndCtrTrafficWithoutTheRoles) {
  const std::vector<std::vector<Cell>> rows = {{0, 0, 1, 1}, {0, 0, {}, {}}};
  EXPECT_EQ(reasons(encode_roles(rows, false, false)),
            std::vector<std::string>{"2: impression in CTR traffic without a click label (null)"});
  EXPECT_EQ(reasons(encode_roles(rows, false, true)), std::vector<std::string>{});
  EXPECT_EQ(reasons(encode_roles(rows, true, false)), std::vector<std::string>{"1: click without impression"});
}

TEST(EncodeNumbers, TheFirstReasonCounts) {
  TestLog log(2);
  IngestSpec spec;
  spec.numbers.push_back(number(log.add(Physical::kDouble, {1, -2}), NumberRule::kNonNegative, true));
  spec.dense.push_back(dense(log.add(Physical::kDouble, {1, kNan})));
  const Encoded encoded = encode(order_outputs(spec), log.all());
  EXPECT_EQ(reasons(encoded), std::vector<std::string>{"2: x is negative"});
}

TEST(EncodeDense, ReadsEveryNumericType) {
  for (const Physical type : kNumericTypes) {
    expect_same(encode_dense(type, {1, {}, 0}, {}).numbers.at("x1"), {1, 0, 0});
  }
}

TEST(EncodeDense, TransformsInTheGivenOrder) {
  using enum DenseTransform;
  const std::vector<double> values = {0, 1, -3, 1e9, -1e-9, 0.3, 1e300, -7.25};
  Cells cells(values.begin(), values.end());
  const auto log1p = [](double x) { return std::copysign(std::log1p(std::fabs(x)), x); };
  const auto standardize = [](double x) { return (x - 2) / 4; };
  const auto expected = [&](auto transform) {
    std::vector<double> result;
    for (const double x : values) result.push_back(static_cast<float>(transform(x)));
    return result;
  };
  expect_same(encode_dense(Physical::kDouble, cells, {kLog1p}).numbers.at("x1"), expected(log1p));
  expect_same(encode_dense(Physical::kDouble, cells, {kLog1p, kStandardize}).numbers.at("x1"),
              expected([&](double x) { return standardize(log1p(x)); }));
  cells.resize(6);
  Encoded encoded = encode_dense(Physical::kDouble, cells, {kStandardize, kLog1p});
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(encoded.numbers.at("x1")[i], static_cast<float>(log1p(standardize(values[i]))));
  }
}

TEST(EncodeDense, Log1pIsExactToTwoUnitsInTheLastPlace) {
  const DenseTransform transforms[] = {DenseTransform::kLog1p};
  std::vector<double> values = {0, kInfinity, kNan, 5e-324, std::numeric_limits<double>::max(), 0.41421356237309503,
                                0.41421356237309509, 1, 9007199254740991.0, 9007199254740993.0};
  for (double x = 1e-20; x < 1e20; x *= 1.0037) values.push_back(x);
  const size_t positive = values.size();
  for (size_t i = 0; i < positive; ++i) values.push_back(-values[i]);
  std::vector<double> found = values;
  ingest::transform_dense(transforms, 0, 1, found.data(), found.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const double wanted = std::copysign(std::log1p(std::fabs(values[i])), values[i]);
    if (std::isnan(wanted)) {
      EXPECT_TRUE(std::isnan(found[i]));
      continue;
    }
    EXPECT_EQ(std::signbit(found[i]), std::signbit(values[i]));
    const double towards = std::copysign(kInfinity, wanted);
    const double unit = std::fabs(std::nextafter(wanted, towards) - wanted);
    if (std::isinf(wanted)) EXPECT_EQ(found[i], wanted);
    else EXPECT_LE(std::fabs(found[i] - wanted), 2 * unit) << values[i];
  }
}

TEST(EncodeDense, RejectsWhatFloat32CannotHold) {
  const Encoded encoded =
      encode_dense(Physical::kDouble, {1, 1e39, kNan, kInfinity, -kInfinity, 3.5e38}, {});
  expect_same(encoded.numbers.at("x1"), {1});
  EXPECT_EQ(reasons(encoded),
            (std::vector<std::string>{"2: feature \"x\" is too large for float32", "3: feature \"x\" is NaN",
                                      "4: feature \"x\" is Infinity", "5: feature \"x\" is -Infinity",
                                      "6: feature \"x\" is too large for float32"}));
  EXPECT_EQ(encoded.rejects[0].column, "raw_x");
  EXPECT_EQ(encoded.rejects[0].value, "1e+39");
  EXPECT_EQ(encoded.rejects[2].value, "Infinity");
}

TEST(EncodeDense, FollowsTheNullPolicy) {
  using enum DenseTransform;
  const Cells cells = {6, {}, 2, {}};
  const Encoded filled = encode_dense(Physical::kFloat, cells, {kStandardize});
  expect_same(filled.numbers.at("x1"), {1, 0, 0, 0});
  const Encoded dropped = encode_dense(Physical::kFloat, cells, {kStandardize}, NullPolicy::kDrop);
  expect_same(dropped.numbers.at("x1"), {1, 0});
  EXPECT_EQ(dropped.counts.dropped, 2u);
  EXPECT_EQ(dropped.counts.rejected, 0u);
  const Encoded refused = encode_dense(Physical::kFloat, cells, {kStandardize}, NullPolicy::kError);
  expect_same(refused.numbers.at("x1"), {1, 0});
  EXPECT_EQ(reasons(refused), (std::vector<std::string>{"2: feature \"x\" is null", "4: feature \"x\" is null"}));
}

}  // namespace
}  // namespace prerank::testing_encode
