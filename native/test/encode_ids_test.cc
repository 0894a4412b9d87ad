// Id features, single- and multi-valued, and id roles.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/xxhash.h"
#include "encode_fixture.h"

namespace prerank::testing_encode {
namespace {

using ingest::Physical;
using Strings = std::vector<std::string>;
using Numbers = std::vector<double>;

const Physical kIntTypes[] = {Physical::kInt8,  Physical::kInt16,  Physical::kInt32,  Physical::kInt64,
                              Physical::kUint8, Physical::kUint16, Physical::kUint32, Physical::kUint64};

double hash_int(int64_t value, uint64_t buckets) {
  return static_cast<double>(xxh64(&value, sizeof(value)) % buckets);
}

double hash_text(const std::string& value, uint64_t buckets) {
  return static_cast<double>(xxh64(value.data(), value.size()) % buckets);
}

Encoded encode_ids(Physical type, Cells cells, IdTable table, NullPolicy nulls = NullPolicy::kDefault) {
  TestLog log(cells.size());
  IngestSpec spec;
  spec.ids.push_back(id(log.add(type, std::move(cells)), 0, nulls));
  spec.tables.push_back(std::move(table));
  return encode(order_outputs(spec), log.all());
}

Encoded encode_lists(Physical element, Cells cells, IdTable table, NullPolicy nulls = NullPolicy::kDefault,
                     ListLayout layout = ListLayout::kDense) {
  TestLog log(cells.size());
  IngestSpec spec;
  spec.ids.push_back(id_list(log.add_lists(element, std::move(cells), layout), 0, nulls));
  spec.tables.push_back(std::move(table));
  return encode(order_outputs(spec), log.all());
}

TEST(EncodeIds, HashesIntegersOfAnyWidthAsEightBytes) {
  for (const Physical type : kIntTypes) {
    for (const uint64_t buckets : {uint64_t{1}, uint64_t{2}, uint64_t{97}, uint64_t{1000003}, uint64_t{1} << 32}) {
      const Encoded encoded = encode_ids(type, {0, 1, 100, {}, 7}, hashed(ValueType::kInt, buckets));
      EXPECT_EQ(encoded.numbers.at("x1"), (Numbers{hash_int(0, buckets), hash_int(1, buckets), hash_int(100, buckets),
                                                   hash_text("", buckets), hash_int(7, buckets)}));
    }
  }
}

TEST(EncodeIds, HashesTheSignedValueAndTheBitsOfUnsignedOnes) {
  const Encoded negative = encode_ids(Physical::kInt8, {-1}, hashed(ValueType::kInt, 1009));
  EXPECT_EQ(negative.numbers.at("x1"), Numbers{hash_int(-1, 1009)});
  const Encoded wide = encode_ids(Physical::kUint64, {~uint64_t{0}}, hashed(ValueType::kInt, 1009));
  EXPECT_EQ(wide.numbers.at("x1"), Numbers{hash_int(-1, 1009)});
  const Encoded narrow = encode_ids(Physical::kUint32, {int64_t{4294967295}}, hashed(ValueType::kInt, 1009));
  EXPECT_EQ(narrow.numbers.at("x1"), Numbers{hash_int(4294967295, 1009)});
}

TEST(EncodeIds, BucketsAreTheRemainderOfEveryHash) {
  for (const uint64_t buckets : {uint64_t{1}, uint64_t{3}, uint64_t{1} << 20, uint64_t{4294967295}}) {
    Cells cells;
    Numbers wanted;
    for (int64_t i = 0; i < 3000; ++i) {
      cells.push_back(i * i * i - 5);
      wanted.push_back(hash_int(i * i * i - 5, buckets));
    }
    EXPECT_EQ(encode_ids(Physical::kInt64, cells, hashed(ValueType::kInt, buckets)).numbers.at("x1"), wanted);
  }
}

TEST(EncodeIds, HashesTextsOfAnyLength) {
  const std::string texts[] = {"", "a", "twelve bytes", "thirteen byte", std::string(1000, 'z'), "caf\u00e9"};
  Cells cells(std::begin(texts), std::end(texts));
  cells.push_back({});
  Numbers wanted;
  for (const std::string& text : texts) wanted.push_back(hash_text(text, 1000));
  wanted.push_back(hash_text("", 1000));
  EXPECT_EQ(encode_ids(Physical::kString, cells, hashed(ValueType::kString, 1000)).numbers.at("x1"), wanted);
}

TEST(EncodeIds, LooksUpAKnownVocabulary) {
  const Encoded texts = encode_ids(Physical::kString, {"b", "a", "c", {}, "a fairly long value", "a fairly long valve"},
                                   vocabulary(ValueType::kString, {"a", "b", "a fairly long value"}));
  EXPECT_EQ(texts.numbers.at("x1"), (Numbers{2, 1, 0, 0, 3, 0}));
  EXPECT_EQ(texts.features[0].out_of_vocabulary, 2u);
  EXPECT_EQ(texts.features[0].nulls, 1u);
  EXPECT_EQ(texts.features[0].ids, 5u);
  const Encoded integers = encode_ids(Physical::kInt16, {-5, 9, 7}, vocabulary(ValueType::kInt, {"7", "-5"}));
  EXPECT_EQ(integers.numbers.at("x1"), (Numbers{2, 0, 1}));
  EXPECT_EQ(integers.tables[0].values, (Strings{"7", "-5"}));
  const Encoded empty = encode_ids(Physical::kInt16, {1, 2}, vocabulary(ValueType::kInt, {}));
  EXPECT_EQ(empty.numbers.at("x1"), (Numbers{0, 0}));
}

TEST(EncodeIds, LearnsByFallingCountThenValue) {
  const Encoded texts =
      encode_ids(Physical::kString, {"z", "b", {}, "z", "a", "\u00e9", "b", "Z", "k"},
                 vocabulary(ValueType::kString, {"k"}, true));
  EXPECT_EQ(texts.tables[0].values, (Strings{"k", "b", "z", "Z", "a", "\u00e9"}));
  EXPECT_EQ(texts.tables[0].added, 5u);
  EXPECT_EQ(texts.numbers.at("x1"), (Numbers{3, 2, 0, 3, 5, 6, 2, 4, 1}));
  const Encoded integers = encode_ids(Physical::kInt64, {10, -1, 9, 10, int64_t{1} << 40, -1, -2},
                                      vocabulary(ValueType::kInt, {}, true));
  EXPECT_EQ(integers.tables[0].values, (Strings{"-1", "10", "-2", "9", "1099511627776"}));
  EXPECT_EQ(integers.numbers.at("x1"), (Numbers{2, 1, 4, 2, 5, 1, 3}));
}

TEST(EncodeIds, OrdersUnsignedIntegersAsUnsigned) {
  const Encoded encoded = encode_ids(Physical::kUint64, {~uint64_t{0}, uint64_t{1}, uint64_t{1} << 63},
                                     vocabulary(ValueType::kInt, {}, true));
  EXPECT_EQ(encoded.tables[0].values, (Strings{"1", "9223372036854775808", "18446744073709551615"}));
  EXPECT_EQ(encoded.numbers.at("x1"), (Numbers{3, 1, 2}));
  const Encoded known = encode_ids(Physical::kUint64, {~uint64_t{0}, uint64_t{5}},
                                   vocabulary(ValueType::kInt, {"18446744073709551615"}));
  EXPECT_EQ(known.numbers.at("x1"), (Numbers{1, 0}));
}

TEST(EncodeIds, HoldsToMinFrequencyAndCapacity) {
  IdTable table = vocabulary(ValueType::kInt, {"1"}, true);
  table.min_frequency = 2;
  table.capacity = 3;
  const Encoded encoded = encode_ids(Physical::kInt32, {5, 5, 4, 4, 4, 3, 2, 2, 1}, table);
  EXPECT_EQ(encoded.tables[0].values, (Strings{"1", "4"}));
  EXPECT_EQ(encoded.tables[0].added, 1u);
  EXPECT_EQ(encoded.tables[0].refused, 2u);
  EXPECT_EQ(encoded.numbers.at("x1"), (Numbers{0, 0, 2, 2, 2, 0, 0, 0, 1}));
}

TEST(EncodeIds, CountsOnlyKeptRows) {
  TestLog log(4);
  IngestSpec spec;
  spec.numbers.push_back(number(log.add(Physical::kInt32, {-1, -1, 1, 1}), NumberRule::kNonNegative, true));
  spec.ids.push_back(id(log.add(Physical::kString, {"a", "a", "b", "c"})));
  spec.tables.push_back(vocabulary(ValueType::kString, {}, true));
  const Encoded encoded = encode(order_outputs(spec), log.all());
  EXPECT_EQ(encoded.tables[0].values, (Strings{"b", "c"}));
  EXPECT_EQ(encoded.numbers.at("x2"), (Numbers{1, 2}));
  EXPECT_EQ(encoded.features[0].rows, 2u);
}

TEST(EncodeIds, FollowsTheNullPolicy) {
  const IdTable table = vocabulary(ValueType::kString, {"a"});
  const Encoded dropped = encode_ids(Physical::kString, {"a", {}, "a"}, table, NullPolicy::kDrop);
  EXPECT_EQ(dropped.numbers.at("x1"), (Numbers{1, 1}));
  EXPECT_EQ(dropped.counts.dropped, 1u);
  const Encoded refused = encode_ids(Physical::kString, {"a", {}, "a"}, table, NullPolicy::kError);
  EXPECT_EQ(reasons(refused), Strings{"2: feature \"x\" is null"});
  EXPECT_EQ(refused.rejects[0].column, "raw_x");
}

TEST(EncodeIds, RefusesTheOtherType) {
  TestLog log(1);
  IngestSpec spec;
  spec.ids.push_back(id(log.add(Physical::kString, {"1"})));
  spec.tables.push_back(hashed(ValueType::kInt, 10));
  auto encoder = ingest::BatchEncoder::create(order_outputs(spec));
  ASSERT_TRUE(encoder.ok());
  std::vector<RejectedRow> rejects;
  EXPECT_EQ(encoder.value()->encode(log.all(), rejects).code(), Code::kInvalidArgument);
}

TEST(EncodeIds, RefusesABrokenVocabulary) {
  for (const auto& values : {Strings{"1", "x"}, Strings{"1", "1"}, Strings{"18446744073709551616"}, Strings{""}}) {
    for (const bool learn : {false, true}) {
      IngestSpec spec;
      spec.ids.push_back(id(1));
      spec.tables.push_back(vocabulary(ValueType::kInt, values, learn));
      EXPECT_EQ(ingest::BatchEncoder::create(order_outputs(spec)).status().code(), Code::kInvalidArgument);
    }
  }
}

TEST(EncodeLists, ReadsListsInAnyLayout) {
  const Cells cells = {list({1, 2}), list({}), {}, list({3}), list({1, 1, 4})};
  for (const ListLayout layout : {ListLayout::kDense, ListLayout::kGaps, ListLayout::kReversed}) {
    const Encoded encoded =
        encode_lists(Physical::kInt32, cells, vocabulary(ValueType::kInt, {}, true), NullPolicy::kDefault, layout);
    EXPECT_EQ(encoded.tables[0].values, (Strings{"1", "2", "3", "4"}));
    EXPECT_EQ(encoded.lists.at("x1"), (std::vector<Numbers>{{1, 2}, {}, {}, {3}, {1, 1, 4}}));
    const FeatureSummary& summary = encoded.features[0];
    EXPECT_EQ(summary.ids, 6u);
    EXPECT_EQ(summary.empty, 2u);
    EXPECT_EQ(summary.nulls, 1u);
    EXPECT_EQ(summary.longest, 3u);
    EXPECT_EQ(summary.distinct, 4u);
    EXPECT_EQ(summary.top_share, 0.5);
  }
}

TEST(EncodeLists, HashesTexts) {
  const Encoded encoded = encode_lists(Physical::kString, {list({"a", "a longer value"}), list({""})},
                                       hashed(ValueType::kString, 50));
  EXPECT_EQ(encoded.lists.at("x1"),
            (std::vector<Numbers>{{hash_text("a", 50), hash_text("a longer value", 50)}, {hash_text("", 50)}}));
}

TEST(EncodeLists, RejectsANullInsideAList) {
  for (const ListLayout layout : {ListLayout::kDense, ListLayout::kGaps, ListLayout::kReversed}) {
    const Encoded encoded = encode_lists(Physical::kInt64, {list({1}), list({1, {}, 2}), list({}), {}, list({2})},
                                         vocabulary(ValueType::kInt, {"1", "2"}), NullPolicy::kDefault, layout);
    EXPECT_EQ(encoded.lists.at("x1"), (std::vector<Numbers>{{1}, {}, {}, {2}}));
    EXPECT_EQ(reasons(encoded), Strings{"2: feature \"x\" has a null in its list"});
    EXPECT_EQ(encoded.rejects[0].value, "[1, NULL, 2]");
  }
}

TEST(EncodeLists, FollowsTheNullPolicy) {
  const Cells cells = {list({1}), {}, list({})};
  const IdTable table = vocabulary(ValueType::kInt, {"1"});
  const Encoded dropped = encode_lists(Physical::kInt64, cells, table, NullPolicy::kDrop);
  EXPECT_EQ(dropped.lists.at("x1"), (std::vector<Numbers>{{1}, {}}));
  EXPECT_EQ(dropped.counts.dropped, 1u);
  const Encoded refused = encode_lists(Physical::kInt64, cells, table, NullPolicy::kError);
  EXPECT_EQ(reasons(refused), Strings{"2: feature \"x\" is null"});
}

Encoded encode_weighted(Cells ids, Physical element, Cells weights, ListLayout layout = ListLayout::kDense) {
  TestLog log(ids.size());
  IngestSpec spec;
  spec.ids.push_back(id_list(log.add_lists(Physical::kInt64, std::move(ids), layout)));
  spec.ids[0].weights_input = log.add_lists(element, std::move(weights), layout);
  spec.ids[0].weights_output = "w";
  spec.tables.push_back(vocabulary(ValueType::kInt, {"1", "2"}));
  return encode(order_outputs(spec), log.all());
}

TEST(EncodeLists, ReadsWeightsOfAnyNumericType) {
  for (const Physical type : {Physical::kDouble, Physical::kFloat, Physical::kInt32, Physical::kUint8}) {
    for (const ListLayout layout : {ListLayout::kDense, ListLayout::kGaps, ListLayout::kReversed}) {
      const Encoded encoded = encode_weighted({list({1, 2}), {}, list({2}), list({})}, type,
                                              {list({3, 4}), list({}), list({5}), {}}, layout);
      EXPECT_EQ(encoded.lists.at("x1"), (std::vector<Numbers>{{1, 2}, {}, {2}, {}}));
      EXPECT_EQ(encoded.lists.at("w"), (std::vector<Numbers>{{3, 4}, {}, {5}, {}}));
    }
  }
}

TEST(EncodeLists, RejectsWeightsThatDoNotFit) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Encoded encoded = encode_weighted(
      {list({1, 2}), list({1}), list({1}), list({1}), list({1}), {}, list({2})}, Physical::kDouble,
      {list({1}), list({nan}), list({1e39}), list({Cell()}), {}, list({1}), list({0.5})});
  EXPECT_EQ(encoded.lists.at("x1"), (std::vector<Numbers>{{2}}));
  EXPECT_EQ(encoded.lists.at("w"), (std::vector<Numbers>{{0.5}}));
  const std::string name = "feature \"x\"";
  EXPECT_EQ(reasons(encoded), (Strings{"1: " + name + " has not as many weights as ids",
                                       "2: " + name + " has a weight that is no finite number",
                                       "3: " + name + " has a weight that is no finite number",
                                       "4: " + name + " has a weight that is no finite number",
                                       "5: " + name + " has not as many weights as ids",
                                       "6: " + name + " has not as many weights as ids"}));
  EXPECT_EQ(encoded.rejects[1].value, "[NaN]");
  EXPECT_EQ(encoded.rejects[4].value, "");
}

IngestSpec code_spec(size_t request, size_t user, size_t ad) {
  IngestSpec spec;
  spec.request_input = request;
  spec.codes = {{request, "request", CodeRole::kRequest, 0, "request"},
                {user, "user", CodeRole::kUser, 0, "user"},
                {ad, "ad", CodeRole::kAd, 0, "ad"}};
  return order_outputs(spec);
}

TEST(EncodeCodes, NumbersRequestsUsersAndAds) {
  TestLog log(7);
  const size_t request = log.add(Physical::kString, {"r9", "r9", "r1", "r1", "r1", "r5", "r5"});
  const size_t user = log.add(Physical::kInt32, {7, 7, 3, 3, 3, 7, 7});
  const size_t ad = log.add(Physical::kString, {"b", "a", "b", "c", "a", "b", "d"});
  const IngestSpec spec = code_spec(request, user, ad);
  const Encoded encoded = encode(spec, log.all(&request));
  EXPECT_EQ(encoded.numbers.at("request"), (Numbers{0, 0, 1, 1, 1, 2, 2}));
  EXPECT_EQ(encoded.numbers.at("user"), (Numbers{0, 0, 1, 1, 1, 0, 0}));
  EXPECT_EQ(encoded.numbers.at("ad"), (Numbers{0, 1, 0, 2, 1, 0, 3}));
  EXPECT_EQ(encoded.counts.requests, 3u);
  std::vector<Work> work;
  work.push_back({log.block(0, 2, 3, &request)});
  work.push_back({log.block(2, 5, 2, &request, 1), 0, true});
  work.push_back({log.block(5, 7, 2, &request, 2), 1, false, true});
  const Encoded parts = encode(spec, std::move(work), 2);
  EXPECT_EQ(parts.numbers, encoded.numbers);
}

TEST(EncodeCodes, RejectNullsAndRequestsWithoutRowsGetNoNumber) {
  TestLog log(6);
  const size_t request = log.add(Physical::kInt64, {1, 1, 2, 3, {}, 4});
  const size_t user = log.add(Physical::kInt64, {1, {}, {}, 1, 1, 1});
  const size_t ad = log.add(Physical::kInt64, {1, 2, 3, {}, 5, 6});
  const Encoded encoded = encode(code_spec(request, user, ad), log.all(&request));
  EXPECT_EQ(encoded.numbers.at("request"), (Numbers{0, 1}));
  EXPECT_EQ(encoded.numbers.at("ad"), (Numbers{0, 1}));
  EXPECT_EQ(reasons(encoded), (Strings{"2: user is null", "3: user is null", "4: ad is null", "5: request is null"}));
  EXPECT_EQ(encoded.counts.requests, 2u);
}

}  // namespace
}  // namespace prerank::testing_encode
