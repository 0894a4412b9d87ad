// Dictionaries that grow, and the union of those of several workers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "encode_fixture.h"
#include "ingest/dictionary.h"
#include "ingest/dictionary_int.h"
#include "ingest/dictionary_text.h"
#include "ingest/hyperloglog.h"
#include "kernel_harness.h"

namespace prerank::testing_encode {
namespace {

using ingest::Dictionary;
using ingest::Elements;
using ingest::Physical;
using ingest::VectorView;
using Strings = std::vector<std::string>;

// A string whose length passes every border of the dictionary: 0, 4, 8, 12 bytes and more.
std::string name_of(uint64_t value) {
  std::string name = std::to_string(value * 7919);
  name.resize(value % 23, static_cast<char>('a' + value % 26));
  return name + "\0" + std::to_string(value);
}

// Learns the values in pieces and compares codes, counts and what is found with a plain map. `unknown` are other values.
void expect_learnt(const std::vector<int64_t>& values, const std::vector<int64_t>& unknown, size_t piece) {
  const VectorView view{Physical::kInt64, values.data(), nullptr, nullptr, values.size()};
  ingest::IntDictionary dictionary(5);
  std::vector<uint32_t> codes(values.size());
  for (size_t from = 0; from < values.size(); from += piece) {
    const size_t count = std::min(piece, values.size() - from);
    ASSERT_TRUE(dictionary.learn({&view, from, nullptr, count}, codes.data() + from, nullptr).ok());
  }
  std::map<int64_t, uint32_t> wanted;
  std::vector<uint64_t> counts;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto [entry, is_new] = wanted.emplace(values[i], static_cast<uint32_t>(wanted.size()));
    if (is_new) counts.push_back(0);
    ++counts[entry->second];
    ASSERT_EQ(codes[i], entry->second + 5);
  }
  EXPECT_EQ(dictionary.size(), wanted.size());
  EXPECT_EQ(dictionary.counts(), counts);
  for (const auto& [value, index] : wanted) ASSERT_EQ(dictionary.key(index), value);
  std::vector<uint32_t> found(values.size());
  dictionary.find({&view, 0, nullptr, values.size()}, found.data(), nullptr);
  EXPECT_EQ(found, codes);
  const VectorView others{Physical::kInt64, unknown.data(), nullptr, nullptr, unknown.size()};
  std::vector<uint32_t> none(unknown.size(), 1);
  dictionary.find({&others, 0, nullptr, unknown.size()}, none.data(), nullptr);
  EXPECT_EQ(none, std::vector<uint32_t>(unknown.size(), 0));
  EXPECT_GE(dictionary.bytes(), wanted.size() * (8 + 8));
  EXPECT_LE(dictionary.bytes(), wanted.size() * (2 * 64 + 16) + 1024 * 16);
}

constexpr int64_t kLeastInt = std::numeric_limits<int64_t>::min(), kMostInt = std::numeric_limits<int64_t>::max();

TEST(EncodeDictionary, GivesCodesInTheOrderOfComing) {
  std::mt19937_64 random(1);
  std::vector<int64_t> values(200000);
  for (int64_t& value : values) value = static_cast<int64_t>(random() % 50000) - 25000;
  expect_learnt(values, {-25001, 25000, kLeastInt, kMostInt}, 777);
  for (int64_t& value : values) value = static_cast<int64_t>(static_cast<uint64_t>(value) * 0x9E3779B97F4A7C15u);
  expect_learnt(values, {1, 2, kLeastInt, kMostInt}, 5000);
}

TEST(EncodeDictionary, FollowsIntegersThatRiseAndFall) {
  std::vector<int64_t> rising, falling, ends;
  for (int64_t i = 0; i < 60000; ++i) {
    rising.push_back(1'000'000'000 + i / 2);
    falling.push_back(-i);
    ends.push_back(i % 2 == 0 ? kMostInt - i : kMostInt - 3 * (i / 4));
  }
  expect_learnt(rising, {999'999'999, 1'000'030'000, 0, kMostInt}, 100);
  expect_learnt(falling, {1, -60000, kLeastInt, kMostInt}, 3000);
  expect_learnt(ends, {kLeastInt, kLeastInt + 1, 0, kMostInt - 60001}, 1024);
  for (int64_t& value : ends) value = -value - 1;
  expect_learnt(ends, {kMostInt, kMostInt - 1, 0, kLeastInt + 60001}, 1024);
}

// A dense range is left for a hash table when a far value comes, and found again when there are enough values.
TEST(EncodeDictionary, TakesValuesFarFromTheOthers) {
  std::mt19937_64 random(3);
  std::vector<int64_t> values;
  for (int64_t i = 0; i < 120000; ++i) {
    values.push_back(static_cast<int64_t>(random() % static_cast<uint64_t>(i + 100)));
    if (i == 3000) values.push_back(40'000);
    if (i == 30000) values.push_back(-150'000);
    if (i == 90000) values.insert(values.end(), {kMostInt, kLeastInt, 0});
  }
  expect_learnt(values, {-1, -150'001, kMostInt - 1, kLeastInt + 1}, 50);
}

TEST(EncodeDictionary, TellsTextsApartByEveryByte) {
  Strings texts;
  for (uint64_t i = 0; i < 30000; ++i) texts.push_back(name_of(i));
  // The same heads, hashed the same way but for one byte, and texts that differ in trailing zeros alone.
  for (size_t length = 0; length < 40; ++length) {
    texts.push_back(std::string(length, '\0'));
    for (size_t at = 0; at < length; ++at) {
      std::string text(length, 'x');
      text[at] = 'y';
      texts.push_back(text);
    }
  }
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  ingest::TextDictionary dictionary(0);
  for (size_t i = 0; i < texts.size(); ++i) ASSERT_EQ(dictionary.insert(texts[i]).value(), i);
  for (size_t i = 0; i < texts.size(); ++i) {
    ASSERT_EQ(dictionary.insert(texts[i]).value(), i);
    ASSERT_EQ(dictionary.key(i), texts[i]);
  }
  EXPECT_EQ(dictionary.size(), texts.size());
}

TEST(EncodeDictionary, EstimatesDistinctValues) {
  for (const size_t distinct : {0, 1, 100, 5000, 40000, 60000, 300000, 2000000}) {
    ingest::HyperLogLog half, other, whole;
    std::mt19937_64 random(distinct);
    for (size_t i = 0; i < distinct; ++i) {
      const uint64_t hash = random();
      whole.add(hash);
      whole.add(hash);
      (i % 2 == 0 ? half : other).add(hash);
    }
    half.merge(other);
    EXPECT_EQ(half.estimate(), whole.estimate());
    EXPECT_NEAR(whole.estimate(), static_cast<double>(distinct), 0.025 * static_cast<double>(distinct));
  }
}

TEST(EncodeDictionary, SketchesManyHashesAsOneByOne) {
  std::mt19937_64 random(5);
  std::vector<uint64_t> hashes = {0, 1, uint64_t{1} << 49, uint64_t{1} << 50, ~uint64_t{0}, 0, 0x3FFFFFFFFFFFFu};
  // Eight at once that choose the same register, and neighbours of it.
  for (uint64_t i = 0; i < 64; ++i) hashes.push_back((uint64_t{77 + i / 40} << 50) | (uint64_t{1} << (i % 50)));
  for (size_t i = 0; i < 70000; ++i) hashes.push_back(random());
  test::for_each_isa([&] {
    for (const size_t count : {size_t{0}, size_t{1}, size_t{5}, size_t{8}, size_t{71}, size_t{2000}, hashes.size()}) {
      ingest::HyperLogLog single, many, both;
      for (size_t i = 0; i < count; ++i) single.add(hashes[i]);
      many.add({hashes.data(), count});
      EXPECT_EQ(many.estimate(), single.estimate());
      both.merge(single);
      both.merge(many);
      EXPECT_EQ(both.estimate(), single.estimate());
    }
  });
}

// A log of single and listed values that share a table, of users and of ads, in requests of several rows.
struct SharedLog {
  explicit SharedLog(bool texts) : log(3000) {
    std::mt19937_64 random(7);
    const auto value = [&](uint64_t limit) {
      const uint64_t drawn = std::min(random() % limit, random() % limit);
      return texts ? Cell(name_of(drawn)) : Cell(static_cast<int64_t>(drawn) - 20);
    };
    Cells requests, singles, lists, ads;
    for (size_t row = 0; row < log.rows(); ++row) {
      requests.push_back(static_cast<int64_t>(row / 7));
      singles.push_back(random() % 10 == 0 ? Cell() : value(300));
      std::vector<Cell> elements;
      for (uint64_t i = random() % 6; i > 0; --i) elements.push_back(value(500));
      lists.push_back(random() % 10 == 0 ? Cell() : list(elements));
      ads.push_back(value(1000));
    }
    const Physical type = texts ? Physical::kString : Physical::kInt16;
    request = log.add(Physical::kInt32, requests);
    single = log.add(type, singles);
    multi = log.add_lists(type, lists, ListLayout::kGaps);
    ad = log.add(type, ads);
    spec.request_input = request;
    spec.ids = {id(single), id_list(multi)};
    spec.tables = {vocabulary(texts ? ValueType::kString : ValueType::kInt, {texts ? "known" : "3"}, true)};
    spec.tables[0].min_frequency = 3;
    spec.tables[0].capacity = 200;
    spec.codes = {{request, "request", CodeRole::kRequest, 0, "request"}, {ad, "ad", CodeRole::kAd, 100, "ad"}};
    order_outputs(spec);
  }

  // Parts of about `part` rows to the workers in turn, blocks of `block` requests, batches of two blocks.
  std::vector<Work> work(size_t part, size_t blocks, size_t workers) const {
    std::vector<Work> result;
    size_t worker = workers - 1, in_batch = 0;
    for (size_t from = 0; from < log.rows();) {
      const size_t to = std::min(from + 7 * blocks, log.rows());
      Work item;
      item.new_part = from / part != (from == 0 ? 0 : (from - 1) / part) || from == 0;
      if (item.new_part) worker = (worker + 1) % workers;
      item.new_batch = ++in_batch % 2 == 0;
      item.worker = worker;
      item.block = log.block(from, to, 10, &request, from % 5);
      result.push_back(std::move(item));
      from = to;
    }
    return result;
  }

  TestLog log;
  size_t request, single, multi, ad;
  IngestSpec spec;
};

void expect_same(const Encoded& a, const Encoded& b) {
  EXPECT_EQ(a.numbers, b.numbers);
  EXPECT_EQ(a.lists, b.lists);
  EXPECT_EQ(a.tables[0].values, b.tables[0].values);
  EXPECT_EQ(a.tables[0].refused, b.tables[0].refused);
  ASSERT_EQ(a.features.size(), b.features.size());
  for (size_t i = 0; i < a.features.size(); ++i) {
    EXPECT_EQ(a.features[i].ids, b.features[i].ids);
    EXPECT_EQ(a.features[i].distinct, b.features[i].distinct);
    EXPECT_EQ(a.features[i].longest, b.features[i].longest);
  }
}

TEST(EncodeDictionary, TheDistributionOverWorkersDoesNotShow) {
  for (const bool texts : {false, true}) {
    const SharedLog data(texts);
    const Encoded one = encode(data.spec, data.log.all(&data.request));
    EXPECT_EQ(one.tables[0].added, 199u - 1u);
    EXPECT_GT(one.tables[0].refused, 0u);
    IngestSpec threaded = data.spec;
    threaded.threads = 3;
    expect_same(one, encode(data.spec, data.work(3000, 1, 1), 1));
    expect_same(one, encode(data.spec, data.work(500, 3, 2), 2));
    expect_same(one, encode(threaded, data.work(100, 2, 5), 5));
  }
}

TEST(EncodeDictionary, MatchesCountsMadeTheLongWay) {
  const SharedLog data(true);
  std::map<std::string, uint64_t> counts, ad_counts;
  for (size_t row = 0; row < data.log.rows(); ++row) {
    const Cell& single = data.log.cells(data.single)[row];
    if (!single.null()) ++counts[single.text];
    for (const Cell& element : data.log.cells(data.multi)[row].list) ++counts[element.text];
    ++ad_counts[data.log.cells(data.ad)[row].text];
  }
  const auto order = [](const std::map<std::string, uint64_t>& of, uint64_t least) {
    std::vector<std::pair<std::string, uint64_t>> entries(of.begin(), of.end());
    std::stable_sort(entries.begin(), entries.end(), [](auto& a, auto& b) { return a.second > b.second; });
    Strings names;
    for (const auto& [name, count] : entries) {
      if (count >= least) names.push_back(name);
    }
    return names;
  };
  Strings wanted = {"known"};
  for (const std::string& name : order(counts, 3)) {
    if (wanted.size() < 199) wanted.push_back(name);
  }
  const Encoded encoded = encode(data.spec, data.work(500, 3, 2), 2);
  EXPECT_EQ(encoded.tables[0].values, wanted);
  const auto row_of = [](const Strings& names, const std::string& name, double base, double missing) {
    const auto found = std::find(names.begin(), names.end(), name);
    return found == names.end() ? missing : base + static_cast<double>(found - names.begin());
  };
  const Strings ads = order(ad_counts, 1);
  for (size_t row = 0; row < data.log.rows(); ++row) {
    const Cell& single = data.log.cells(data.single)[row];
    ASSERT_EQ(encoded.numbers.at(data.spec.ids[0].output)[row],
              single.null() ? 0 : row_of(wanted, single.text, 1, 0));
    const Cell& multi = data.log.cells(data.multi)[row];
    const auto& found = encoded.lists.at(data.spec.ids[1].output)[row];
    ASSERT_EQ(found.size(), multi.list.size());
    for (size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i], row_of(wanted, multi.list[i].text, 1, 0));
    ASSERT_EQ(encoded.numbers.at("ad")[row], row_of(ads, data.log.cells(data.ad)[row].text, 100, -1));
    ASSERT_EQ(encoded.numbers.at("request")[row], static_cast<double>(row / 7));
  }
}

TEST(EncodeDictionary, AWorkerWithoutRowsIsHarmless) {
  const SharedLog data(false);
  const Encoded encoded = encode(data.spec, data.work(3000, 5, 1), 4);
  expect_same(encode(data.spec, data.log.all(&data.request)), encoded);
}

TEST(EncodeDictionary, SaysWhichIsTheLargest) {
  const SharedLog data(true);
  auto encoder = ingest::BatchEncoder::create(data.spec);
  ASSERT_TRUE(encoder.ok());
  const size_t before = encoder.value()->dictionary_bytes();
  std::vector<RejectedRow> rejects;
  ASSERT_TRUE(encoder.value()->encode(data.log.all(&data.request), rejects).ok());
  EXPECT_GT(encoder.value()->dictionary_bytes(), before);
  const std::string largest = encoder.value()->largest_dictionary();
  EXPECT_TRUE(largest == "table t" || largest == "role ad") << largest;
}

}  // namespace
}  // namespace prerank::testing_encode
