// Splits, draws, sample weights and duplicates, against draws worked out from the hash in the test.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/xxhash.h"
#include "encode_fixture.h"

namespace prerank::testing_encode {
namespace {

using ingest::Physical;
using Strings = std::vector<std::string>;
using Numbers = std::vector<double>;

// The draw of a row: a number in [0, 1).
double draw(const std::string& key) {
  return static_cast<double>(xxh64(key.data(), key.size())) / 18446744073709551616.0;
}

// Requests of 40 ads in stages 0 … 6; the first four of each request were shown.
struct StageLog {
  static constexpr size_t kRequests = 30, kAds = 40;

  StageLog() : log(kRequests * kAds) {
    Cells requests, ads, stages, impressions, weights;
    for (size_t row = 0; row < log.rows(); ++row) {
      const size_t position = row % kAds;
      requests.push_back(static_cast<int64_t>(row / kAds) * 1000 - 7);
      ads.push_back("ad " + std::to_string(row * 31 % 997));
      impressions.push_back(position < 4 ? 1 : 0);
      stages.push_back(position < 4 ? 4 + static_cast<int>(position % 3) : static_cast<int>(position % 4));
      weights.push_back(static_cast<double>(position % 5) + 0.5);
    }
    request = log.add(Physical::kInt64, requests);
    ad = log.add(Physical::kString, ads);
    stage = log.add(Physical::kUint8, stages);
    impression = log.add(Physical::kBool, impressions);
    weight = log.add(Physical::kDouble, weights);
  }

  std::string key(size_t row, const std::string& seed) const {
    return seed + "/" + std::to_string(log.cells(request)[row].integer) + "/" + log.cells(ad)[row].text;
  }
  int64_t stage_of(size_t row) const { return log.cells(stage)[row].integer; }

  IngestSpec spec(bool with_impression, bool with_stage) const {
    IngestSpec result;
    result.request_input = request;
    result.ad_input = ad;
    if (with_impression) {
      result.numbers.push_back(number(impression, NumberRule::kBinary, false, NumberRole::kImpression));
    }
    if (with_stage) result.numbers.push_back(number(stage, NumberRule::kStage, false, NumberRole::kStage));
    result.dense.push_back(dense(0));  // the row number
    result.dense[0].output = "row";
    result.sampling.seed = 18446744073709551615u;
    return result;
  }
  static constexpr const char* kSeed = "18446744073709551615";

  TestLog log;
  size_t request = 0, ad = 0, stage = 0, impression = 0, weight = 0;
};

// The rows whose draw is below their rate.
template <class Rate>
Numbers drawn(const StageLog& data, Rate&& rate) {
  Numbers rows;
  for (size_t row = 0; row < data.log.rows(); ++row) {
    const double wanted = rate(row);
    if (wanted >= 1 || draw(data.key(row, StageLog::kSeed)) < wanted) rows.push_back(static_cast<double>(row));
  }
  return rows;
}

TEST(EncodeSampling, DrawsNonImpressionsByTheSizeOfThePool) {
  const StageLog data;
  const auto in_pool = [&](Pool pool, size_t row) {
    return pool == Pool::kMixed || (pool == Pool::kFinal) == (data.stage_of(row) >= 2);
  };
  for (const Pool pool : {Pool::kMixed, Pool::kFinal, Pool::kEarly}) {
    for (const bool with_impression : {true, false}) {
      IngestSpec spec = data.spec(with_impression, true);
      spec.sampling.augment = true;
      spec.sampling.pool = pool;
      spec.sampling.per_request = 4;
      const Encoded encoded = encode(order_outputs(spec), data.log.all(&data.request));
      const double size = pool == Pool::kMixed ? 36 : 18;
      const Numbers wanted = drawn(data, [&](size_t row) {
        if (row % StageLog::kAds < 4) return 1.0;
        return in_pool(pool, row) ? 4 / size : 0.0;
      });
      EXPECT_EQ(encoded.numbers.at("row"), wanted);
      EXPECT_GT(wanted.size(), 4 * StageLog::kRequests + 60);
      EXPECT_EQ(encoded.counts.sampled_out, data.log.rows() - wanted.size());
      EXPECT_EQ(encoded.counts.rejected, 0u);
    }
  }
}

TEST(EncodeSampling, DrawsNonImpressionsAtAFixedRate) {
  const StageLog data;
  IngestSpec spec = data.spec(true, false);
  spec.sampling.augment = true;
  spec.sampling.rate = 0.25;
  const Encoded encoded = encode(order_outputs(spec), data.log.all(&data.request));
  EXPECT_EQ(encoded.numbers.at("row"), drawn(data, [&](size_t row) { return row % StageLog::kAds < 4 ? 1.0 : 0.25; }));
}

TEST(EncodeSampling, KeepsAPoolThatIsSmallEnough) {
  const StageLog data;
  IngestSpec spec = data.spec(true, false);
  spec.sampling.augment = true;
  spec.sampling.per_request = 36;
  const Encoded encoded = encode(order_outputs(spec), data.log.all(&data.request));
  EXPECT_EQ(encoded.counts.rows, data.log.rows());
  EXPECT_EQ(encoded.counts.sampled_out, 0u);
}

TEST(EncodeSampling, DrawsByStageAndWeighsByTheInverseRate) {
  const StageLog data;
  const std::vector<double> rates = {0.05, 0.1, 0.5, 0, 0.4, 1, 1};
  IngestSpec spec = data.spec(false, true);
  spec.numbers.push_back(number(data.weight, NumberRule::kNonNegative, false, NumberRole::kWeight));
  spec.numbers.back().output = "weight";
  spec.sampling.stage_rates = rates;
  spec.sampling.weight_by_inverse_rate = true;
  spec.sampling.weight_output = "weight";
  order_outputs(spec);
  spec.output_order.pop_back();  // the sample weights take the place of the role
  const Encoded encoded = encode(spec, data.log.all(&data.request));
  const Numbers rows = drawn(data, [&](size_t row) { return rates[static_cast<size_t>(data.stage_of(row))]; });
  ASSERT_EQ(encoded.numbers.at("row"), rows);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto row = static_cast<size_t>(rows[i]);
    const double rate = rates[static_cast<size_t>(data.stage_of(row))];
    EXPECT_EQ(encoded.numbers.at("weight")[i], static_cast<float>(data.log.cells(data.weight)[row].real / rate));
  }
}

TEST(EncodeSampling, WeighsAugmentedRowsAndImpressionsByOne) {
  const StageLog data;
  IngestSpec spec = data.spec(true, false);
  spec.sampling.augment = true;
  spec.sampling.per_request = 4;
  spec.sampling.weight_by_inverse_rate = true;
  spec.sampling.weight_output = "w";
  const Encoded encoded = encode(order_outputs(spec), data.log.all(&data.request));
  for (size_t i = 0; i < encoded.counts.rows; ++i) {
    const bool shown = static_cast<size_t>(encoded.numbers.at("row")[i]) % StageLog::kAds < 4;
    EXPECT_EQ(encoded.numbers.at("w")[i], shown ? 1 : 9);
  }
}

TEST(EncodeSampling, RejectsAWeightThatFloat32CannotHold) {
  TestLog log(2);
  const size_t request = log.add(Physical::kInt64, {1, 1});
  IngestSpec spec;
  spec.request_input = request;
  spec.ad_input = log.add(Physical::kInt64, {1, 2});
  spec.numbers.push_back(number(log.add(Physical::kDouble, {3e38, 1}), NumberRule::kNonNegative, false,
                                NumberRole::kWeight));
  spec.numbers[0].label = "weight";
  spec.numbers.push_back(number(log.add(Physical::kInt8, {0, 1}), NumberRule::kStage, false, NumberRole::kStage));
  spec.sampling.stage_rates = {0.99, 1, 1, 1, 1, 1, 1};
  spec.sampling.weight_by_inverse_rate = true;
  spec.sampling.weight_output = "w";
  while (draw(std::to_string(spec.sampling.seed) + "/1/1") >= 0.8) ++spec.sampling.seed;
  spec.sampling.stage_rates[0] = 0.8;
  const Encoded encoded = encode(order_outputs(spec), log.all(&request));
  EXPECT_EQ(reasons(encoded), Strings{"1: weight divided by the sampling rate is too large for float32"});
  EXPECT_EQ(encoded.numbers.at("w"), Numbers{1});
}

TEST(EncodeSampling, SplitsByRequest) {
  const StageLog data;
  IngestSpec spec = data.spec(false, false);
  spec.sampling.split_fraction = 0.6;
  Numbers below, above;
  for (size_t row = 0; row < data.log.rows(); ++row) {
    const auto request = std::to_string(data.log.cells(data.request)[row].integer);
    const bool is_below = draw("split/" + std::string(StageLog::kSeed) + "/" + request) < 0.6;
    (is_below ? below : above).push_back(static_cast<double>(row));
  }
  ASSERT_FALSE(below.empty());
  ASSERT_FALSE(above.empty());
  const Encoded train = encode(order_outputs(spec), data.log.all(&data.request));
  EXPECT_EQ(train.numbers.at("row"), below);
  EXPECT_EQ(train.counts.sampled_out, above.size());
  EXPECT_EQ(train.counts.requests, below.size() / StageLog::kAds);
  spec.sampling.split_keep_below = false;
  const Encoded rest = encode(spec, data.log.all(&data.request));
  EXPECT_EQ(rest.numbers.at("row"), above);
}

TEST(EncodeSampling, RowsAcrossTheSplitAreNotJudged) {
  TestLog log(40);
  Cells requests, values;
  for (int row = 0; row < 40; ++row) {
    requests.push_back(row / 2);
    values.push_back(-1);
  }
  const size_t request = log.add(Physical::kInt32, requests);
  IngestSpec spec;
  spec.request_input = request;
  spec.numbers.push_back(number(log.add(Physical::kInt32, values), NumberRule::kNonNegative, true));
  spec.sampling.split_fraction = 0.5;
  const Encoded encoded = encode(order_outputs(spec), log.all(&request));
  EXPECT_GT(encoded.counts.sampled_out, 0u);
  EXPECT_GT(encoded.counts.rejected, 0u);
  EXPECT_EQ(encoded.counts.sampled_out + encoded.counts.rejected, 40u);
}

// Requests of five ads; "x" is bad where `bad`.
struct DuplicateLog {
  explicit DuplicateLog(bool texts) : log(10) {
    Cells ads = {1, 2, 1, 1, 3, 1, 2, 2, {}, {}};
    if (texts) {
      for (Cell& ad : ads) {
        if (!ad.null()) ad = Cell("a rather long name of ad " + std::to_string(ad.integer));
      }
    }
    request = log.add(Physical::kInt32, {5, 5, 5, 5, 5, 6, 6, 6, 6, 6});
    spec.request_input = request;
    spec.ad_input = log.add(texts ? Physical::kString : Physical::kInt32, ads);
    spec.numbers.push_back(number(log.add(Physical::kInt32, {1, 1, 1, 1, 1, 1, -1, 1, 1, 1}),
                                  NumberRule::kNonNegative, true));
    spec.dense.push_back(dense(0));
    spec.dense[0].output = "row";
    order_outputs(spec);
  }
  TestLog log;
  size_t request;
  IngestSpec spec;
};

TEST(EncodeDuplicates, CountsDropsOrRejectsThem) {
  for (const bool texts : {false, true}) {
    for (const size_t chunk_rows : {1, 3, 100}) {
      DuplicateLog data(texts);
      const auto block = data.log.block(0, 10, chunk_rows, &data.request);
      const Encoded kept = encode(data.spec, block);
      EXPECT_EQ(kept.counts.duplicates, 2u);
      EXPECT_EQ(kept.counts.rows, 9u);
      data.spec.duplicates = DuplicatePolicy::kDrop;
      const Encoded dropped = encode(data.spec, block);
      EXPECT_EQ(dropped.numbers.at("row"), (Numbers{0, 1, 4, 5, 7, 8, 9}));
      EXPECT_EQ(dropped.counts.duplicates, 2u);
      EXPECT_EQ(dropped.counts.dropped, 0u);
      data.spec.duplicates = DuplicatePolicy::kError;
      const Encoded refused = encode(data.spec, block);
      EXPECT_EQ(reasons(refused), (Strings{"3: duplicate of row 1", "4: duplicate of row 1", "7: x is negative"}));
      EXPECT_EQ(refused.rejects[0].column, "ad");
      EXPECT_EQ(refused.rejects[0].value, texts ? "a rather long name of ad 1" : "1");
      EXPECT_EQ(refused.numbers.at("row"), dropped.numbers.at("row"));
    }
  }
}

TEST(EncodeDuplicates, NameTheFileOfTheFirstRowWhenItIsAnother) {
  DuplicateLog data(false);
  data.spec.duplicates = DuplicatePolicy::kError;
  auto block = data.log.block(0, 10, 3, &data.request);
  block.slices[0].origin = "before.parquet";
  const Encoded encoded = encode(data.spec, block);
  EXPECT_EQ(encoded.rejects[0].reason, "duplicate of row 1");
  EXPECT_EQ(encoded.rejects[0].file, "before.parquet");
  EXPECT_EQ(encoded.rejects[1].reason, "duplicate of row 1 of before.parquet");
  EXPECT_EQ(encoded.rejects[1].file, "log.parquet");
}

TEST(EncodeDuplicates, DroppedOnesAreNoPartOfThePool) {
  TestLog log(8);
  const size_t request = log.add(Physical::kInt32, {1, 1, 1, 1, 1, 1, 1, 1});
  IngestSpec spec;
  spec.request_input = request;
  spec.ad_input = log.add(Physical::kInt32, {1, 1, 1, 1, 2, 2, 2, 2});
  spec.numbers.push_back(number(log.add(Physical::kInt32, {0, 0, 0, 0, 0, 0, 0, 0}), NumberRule::kBinary, false,
                                NumberRole::kImpression));
  spec.duplicates = DuplicatePolicy::kDrop;
  spec.sampling.augment = true;
  spec.sampling.per_request = 2;
  EXPECT_EQ(encode(order_outputs(spec), log.all(&request)).counts.rows, 2u);
}

TEST(EncodeSampling, RefusesSpecsThatDoNotHoldTogether) {
  const StageLog data;
  const auto refused = [](IngestSpec spec) {
    return ingest::output_columns(order_outputs(spec)).status().code() == Code::kInvalidArgument;
  };
  IngestSpec good = data.spec(true, true);
  good.sampling.augment = true;
  good.sampling.pool = Pool::kEarly;
  good.sampling.stage_rates = {0, 0, 0, 0, 1, 1, 1};
  good.sampling.split_fraction = 0.5;
  good.duplicates = DuplicatePolicy::kDrop;
  EXPECT_FALSE(refused(good));
  IngestSpec spec = good;
  spec.ad_input.reset();
  EXPECT_TRUE(refused(spec));
  spec = good;
  spec.request_input.reset();
  EXPECT_TRUE(refused(spec));
  spec = good;
  spec.numbers.pop_back();  // stages
  EXPECT_TRUE(refused(spec));
  spec = good;
  spec.sampling.stage_rates.pop_back();
  EXPECT_TRUE(refused(spec));
  spec = good;
  spec.sampling.rate = 1.5;
  EXPECT_TRUE(refused(spec));
  spec = good;
  spec.sampling.split_fraction = 1.5;
  EXPECT_TRUE(refused(spec));
  spec = good;
  spec.numbers.push_back(spec.numbers[0]);
  spec.numbers.back().output = "again";
  EXPECT_TRUE(refused(spec));
  spec = good;
  spec.numbers[0].type = ColumnType::kUint32;
  EXPECT_TRUE(refused(spec));
  spec = good;
  spec.dense[0].deviation = 0;
  EXPECT_TRUE(refused(spec));
  spec = good;
  spec.ids.push_back(id(1));
  EXPECT_TRUE(refused(spec));
  spec = good;
  spec.dense[0].output = spec.numbers[0].output;
  EXPECT_TRUE(refused(spec));
  spec = order_outputs(good);
  spec.output_order.pop_back();
  EXPECT_EQ(ingest::output_columns(spec).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace prerank::testing_encode
