#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "base/xxhash.h"
#include "ingest_fixture.h"

namespace prerank {
namespace {

using test::ingest_spec;
using test::LogFolder;
using test::LogRow;
using test::read_dataset;
using test::ReadDataset;
using test::run_ingest;
using test::Tables;

constexpr uint64_t kRows = 20000;
// Within chunks, at their edges, at a request's edge (100² = 10000), inside one request (10050 … 10150), no rows.
const std::vector<uint64_t> kCuts = {1, 2048, 5000, 10000, 10050, 10100, 10150, 10150, 10150, 16384};

// The raw value behind a row of a vocabulary.
double raw(const LearntTable& table, double row) { return std::stod(table.values.at(static_cast<size_t>(row) - 1)); }

double bucket(int64_t value) { return static_cast<double>(xxh64(&value, sizeof(value)) % 500); }

void expect_log(const ReadDataset& data, const IngestResult& result, Tables tables) {
  const auto& values = data.values;
  ASSERT_EQ(values.at("role.request").size(), kRows);
  size_t element = 0;
  for (uint64_t i = 0; i < kRows; ++i) {
    const LogRow row = test::log_row(i);
    ASSERT_EQ(values.at("role.request")[i], static_cast<double>(row.request));
    ASSERT_EQ(values.at("feature.x")[i], row.x);
    ASSERT_EQ(values.at("label.y")[i], row.label);
    const double tag = values.at("feature.tag")[i];
    ASSERT_EQ(tables == Tables::kHashed ? tag : raw(result.tables[0], tag),
              tables == Tables::kHashed ? bucket(row.tag) : static_cast<double>(row.tag));
    ASSERT_EQ(data.lengths.at("feature.tags")[i], row.tags.size());
    for (const int64_t value : row.tags) {
      const double found = values.at("feature.tags")[element++];
      ASSERT_EQ(tables == Tables::kHashed ? found : raw(result.tables[1], found),
                tables == Tables::kHashed ? bucket(value) : static_cast<double>(value));
    }
  }
}

// Codes and raw ads belong together one to one, and frequent ads come first.
void expect_ad_codes(const std::vector<double>& codes) {
  std::map<double, int64_t> ads;
  std::map<int64_t, int64_t> counts;
  for (uint64_t i = 0; i < kRows; ++i) {
    const int64_t ad = test::log_row(i).ad;
    ASSERT_EQ(ads.emplace(codes[i], ad).first->second, ad);
    ++counts[ad];
  }
  ASSERT_EQ(ads.size(), counts.size());
  for (auto next = std::next(ads.begin()), before = ads.begin(); next != ads.end(); before = next++) {
    const int64_t a = counts[before->second], b = counts[next->second];
    EXPECT_TRUE(a > b || (a == b && before->second < next->second));
  }
}

class IngestPipeline : public ::testing::TestWithParam<Tables> {};

TEST_P(IngestPipeline, EncodesEveryRowInOrderWithTheSameBytesForAnyThreads) {
  LogFolder folder;
  folder.write("log.parquet", test::log_query(kRows));
  IngestSpec spec = ingest_spec(folder.source("log.parquet", test::kLogColumns, kCuts, kRows), GetParam(),
                                folder.make_folder("one"));
  const IngestResult one = run_ingest(spec);
  const ReadDataset expected = read_dataset(spec, one);
  EXPECT_EQ(one.rows, kRows);
  EXPECT_EQ(one.requests, 142u);
  expect_log(expected, one, GetParam());
  expect_ad_codes(expected.values.at("role.ad"));
  for (size_t threads : {2, 5, 16}) {
    spec.threads = threads;
    spec.folder = folder.make_folder("threads" + std::to_string(threads));
    const IngestResult other = run_ingest(spec);
    EXPECT_EQ(read_dataset(spec, other).bytes, expected.bytes);
    ASSERT_EQ(other.tables.size(), one.tables.size());
    for (size_t i = 0; i < one.tables.size(); ++i) EXPECT_EQ(other.tables[i].values, one.tables[i].values);
    ASSERT_EQ(other.features.size(), one.features.size());
    for (size_t i = 0; i < one.features.size(); ++i) EXPECT_EQ(other.features[i].distinct, one.features[i].distinct);
    EXPECT_EQ(other.features[0].deviation, one.features[0].deviation);
    EXPECT_EQ(other.features[0].skewness, one.features[0].skewness);
  }
}

TEST_P(IngestPipeline, SplitsNoRequestOverBatchesOrFiles) {
  LogFolder folder;
  folder.write("log.parquet", test::log_query(kRows));
  IngestSpec spec = ingest_spec(folder.source("log.parquet", test::kLogColumns, kCuts, kRows), GetParam(),
                                folder.make_folder("out"));
  spec.threads = 3;
  const IngestResult result = run_ingest(spec);
  const ReadDataset data = read_dataset(spec, result);
  double next = 0;
  for (const auto& batch : data.batch_requests) {
    EXPECT_EQ(batch.front(), next);
    next = batch.back() + 1;
  }
  EXPECT_EQ(next, 142);
  // Two parts are inside a request and two are empty: they leave no file.
  ASSERT_EQ(result.files.size(), spec.source.parts.size() - 4);
  for (size_t i = 0; i < result.files.size(); ++i) {
    EXPECT_EQ(result.files[i].name, "part-0000" + std::to_string(i) + ".arrow");
  }
}

INSTANTIATE_TEST_SUITE_P(Ids, IngestPipeline, ::testing::Values(Tables::kHashed, Tables::kVocabulary));

TEST(IngestBatches, HoldAtMost65536RowsUnlessOneRequestIsLarger) {
  LogFolder folder;
  const uint64_t rows = 300000;
  // Requests of 1000 rows, then one of 100000, then of 1000 again.
  folder.write("log.parquet",
               "SELECT (CASE WHEN i < 100000 OR i >= 200000 THEN i // 1000 ELSE 100 END)::BIGINT AS request, i AS ad, "
               "i::DOUBLE AS x, i AS tag, []::BIGINT[] AS tags, 0::DOUBLE AS y FROM range(300000) t(i)");
  IngestSpec spec = ingest_spec(folder.source("log.parquet", test::kLogColumns, {150000}, rows), Tables::kHashed,
                                folder.make_folder("out"));
  spec.threads = 2;
  const IngestResult result = run_ingest(spec);
  std::vector<uint64_t> sizes;
  for (const EncodedFile& file : result.files) {
    for (const EncodedBatch& batch : file.batches) sizes.push_back(batch.rows);
  }
  EXPECT_EQ(sizes, (std::vector<uint64_t>{65000, 35000, 100000, 65000, 35000}));
  const ReadDataset data = read_dataset(spec, result);
  for (uint64_t i = 0; i < rows; ++i) ASSERT_EQ(data.values.at("feature.x")[i], static_cast<float>(i));
}

TEST(IngestBatches, NeedNoRequests) {
  LogFolder folder;
  folder.write("log.parquet", test::log_query(100000));
  IngestSpec spec = ingest_spec(folder.source("log.parquet", test::kLogColumns, {99999}, 100000), Tables::kVocabulary,
                                folder.make_folder("out"));
  spec.request_input.reset();
  spec.ad_input.reset();
  spec.codes.clear();
  spec.output_order.erase(spec.output_order.begin(), spec.output_order.begin() + 2);
  spec.source.parts[1].head_rows = 0;
  const IngestResult result = run_ingest(spec);
  ASSERT_EQ(result.files.size(), 2u);
  ASSERT_EQ(result.files[0].batches.size(), 2u);
  EXPECT_EQ(result.files[0].batches[0].rows, 65536u);
  EXPECT_EQ(result.files[0].batches[1].rows, 34463u);
  EXPECT_EQ(result.files[1].rows, 1u);
  read_dataset(spec, result);
}

TEST(IngestRows, WithoutARequestAreRejectedAndSplitNoOther) {
  LogFolder folder;
  folder.write("log.parquet",
               "SELECT CASE WHEN i % 10 = 3 THEN NULL ELSE i // 20 END AS request, i AS ad, i::DOUBLE AS x, i AS tag, "
               "[i] AS tags, 0::DOUBLE AS y FROM range(6000) t(i)");
  IngestSpec spec = ingest_spec(folder.source("log.parquet", test::kLogColumns, {13, 3033, 3034}, 6000),
                                Tables::kVocabulary, folder.make_folder("out"));
  spec.max_bad = 1000;
  spec.threads = 2;
  const IngestResult result = run_ingest(spec);
  EXPECT_EQ(result.rejected, 600u);
  EXPECT_EQ(result.requests, 300u);
  ASSERT_EQ(result.rejects.size(), 600u);
  for (size_t i = 0; i < 600; ++i) EXPECT_EQ(result.rejects[i].row, i * 10 + 4);
  EXPECT_EQ(result.rejects[0].file, folder.path("log.parquet"));
  EXPECT_EQ(read_dataset(spec, result).values.at("role.request").back(), 299);
}

TEST(IngestRows, MayAllBeLeftOut) {
  LogFolder folder;
  folder.write("log.parquet", test::log_query(kRows));
  IngestSpec spec = ingest_spec(folder.source("log.parquet", test::kLogColumns, kCuts, kRows), Tables::kVocabulary,
                                folder.make_folder("out"));
  spec.sampling.split_fraction = 0;
  spec.threads = 3;
  const IngestResult result = run_ingest(spec);
  EXPECT_EQ(result.rows, 0u);
  EXPECT_EQ(result.sampled_out, kRows);
  EXPECT_TRUE(result.files.empty());
  EXPECT_EQ(result.tables.size(), 2u);
  read_dataset(spec, result);
}

TEST(IngestRows, MayNotBeThereAtAll) {
  LogFolder folder;
  IngestSpec spec = ingest_spec({test::duckdb_library(), {}, {}}, Tables::kVocabulary, folder.make_folder("out"));
  const IngestResult result = run_ingest(spec);
  EXPECT_EQ(result.rows, 0u);
  EXPECT_TRUE(result.files.empty());
}

TEST(IngestCodes, OfRequestsStartWhereTheSpecSays) {
  LogFolder folder;
  folder.write("log.parquet", test::log_query(kRows));
  IngestSpec spec = ingest_spec(folder.source("log.parquet", test::kLogColumns, kCuts, kRows), Tables::kHashed,
                                folder.make_folder("out"));
  spec.codes[0].first = 1000;
  const IngestResult result = run_ingest(spec);
  const auto requests = read_dataset(spec, result).values.at("role.request");
  for (uint64_t i = 0; i < kRows; ++i) ASSERT_EQ(requests[i], static_cast<double>(1000 + test::log_row(i).request));
  spec.codes[0].first = 4294967290u;
  spec.folder = folder.make_folder("full");
  EXPECT_EQ(Ingest::create(spec).value()->run().status().code(), Code::kOutOfRange);
}

TEST(IngestVocabulary, CountsIdsThatFoundNoRow) {
  LogFolder folder;
  folder.write("log.parquet", test::log_query(kRows));
  IngestSpec spec = ingest_spec(folder.source("log.parquet", test::kLogColumns, kCuts, kRows), Tables::kVocabulary,
                                folder.make_folder("out"));
  spec.tables[1].capacity = 1001;
  const IngestResult result = run_ingest(spec);
  const auto tags = read_dataset(spec, result).values.at("feature.tags");
  const auto zeros = static_cast<uint64_t>(std::count(tags.begin(), tags.end(), 0.0));
  EXPECT_GT(zeros, 0u);
  EXPECT_EQ(result.features[2].output, "feature.tags");
  EXPECT_EQ(result.features[2].out_of_vocabulary, zeros);
  EXPECT_EQ(result.features[1].out_of_vocabulary, 0u);
  EXPECT_EQ(result.tables[1].added, 1000u);
  EXPECT_EQ(result.tables[1].refused, 3001u);
}

TEST(IngestVocabulary, TakesNoNullForAnUnknownId) {
  LogFolder folder;
  folder.write("log.parquet",
               "SELECT i // 20 AS request, i AS ad, i::DOUBLE AS x, CASE WHEN i % 3 = 0 THEN NULL ELSE i % 9 END AS tag, "
               "[i] AS tags, 0::DOUBLE AS y FROM range(6000) t(i)");
  IngestSpec spec = ingest_spec(folder.source("log.parquet", test::kLogColumns, {3000}, 6000), Tables::kVocabulary,
                                folder.make_folder("out"));
  spec.tables[0].capacity = 5;  // of the six tags
  const IngestResult result = run_ingest(spec);
  EXPECT_EQ(result.features[1].nulls, 2000u);
  EXPECT_EQ(result.features[1].ids, 4000u);
  EXPECT_EQ(result.features[1].out_of_vocabulary, 1332u);
}

TEST(IngestProgressCounts, EndAtTheWholeLog) {
  LogFolder folder;
  folder.write("log.parquet", test::log_query(kRows));
  const IngestSpec spec = ingest_spec(folder.source("log.parquet", test::kLogColumns, kCuts, kRows), Tables::kHashed,
                                      folder.make_folder("out"));
  const auto ingest = Ingest::create(spec);
  ASSERT_TRUE(ingest.ok());
  ASSERT_TRUE(ingest.value()->run().ok());
  const IngestProgress progress = ingest.value()->progress();
  EXPECT_EQ(progress.rows_read, kRows);
  EXPECT_EQ(progress.rows_written, kRows);
  EXPECT_EQ(progress.parts_done, spec.source.parts.size());
}

}  // namespace
}  // namespace prerank
