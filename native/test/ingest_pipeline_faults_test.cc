#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "ingest_fixture.h"

namespace prerank {
namespace {

using test::ingest_spec;
using test::LogFolder;
using test::ProcessUse;
using test::run_ingest;
using test::Tables;

constexpr uint64_t kLongRows = 60000;
const std::vector<uint64_t> kLongCuts = {7000, 14001, 30000, 30001, 44444};

class IngestFaults : public ::testing::Test {
 protected:
  void SetUp() override { folder_.write("log.parquet", test::log_query(kLongRows)); }

  IngestSpec spec(Tables tables = Tables::kHashed) {
    return ingest_spec(folder_.source("log.parquet", test::kLogColumns, kLongCuts, kLongRows), tables,
                       folder_.make_folder("out" + std::to_string(folders_++)));
  }
  Status run(const IngestSpec& spec) {
    auto created = Ingest::create(spec);
    return created.ok() ? created.value()->run().status() : created.status();
  }
  void expect_failure(const IngestSpec& spec, Code code, const std::string& part) {
    const Status status = run(spec);
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  }

  LogFolder folder_;
  int folders_ = 0;
};

TEST_F(IngestFaults, TooManyBadRowsGiveTheFirstOfThemWhateverTheThreads) {
  IngestSpec bad = spec();
  bad.numbers[0].rule = NumberRule::kProbability;  // y is 0, 1, 2
  bad.max_bad = 9000;
  for (const size_t threads : {1, 2, 5}) {
    bad.threads = threads;
    bad.folder = folder_.make_folder("bad" + std::to_string(threads));
    const IngestResult result = run_ingest(bad);
    EXPECT_TRUE(result.too_many_bad);
    EXPECT_TRUE(result.files.empty());
    ASSERT_EQ(result.rejects.size(), 9001u);
    for (size_t i = 0; i < result.rejects.size(); ++i) ASSERT_EQ(result.rejects[i].row, 3 * i + 3);
  }
  bad.max_bad = 20000;
  bad.folder = folder_.make_folder("enough");
  const IngestResult result = run_ingest(bad);
  EXPECT_FALSE(result.too_many_bad);
  EXPECT_EQ(result.rejected, 20000u);
  EXPECT_EQ(result.rows, 40000u);
}

TEST_F(IngestFaults, AQueryThatFailsInTheMiddleEndsEveryWorker) {
  for (const size_t threads : {1, 2, 5}) {
    for (const size_t part : {0, 2, 5}) {
      IngestSpec failing = spec(Tables::kVocabulary);
      failing.threads = threads;
      LogQuery& query = failing.source.parts[part].queries[0];
      query.sql = "SELECT file_row_number, request, ad, CASE WHEN ad = 1008 THEN error('a bad page') ELSE x END, tag, "
                  "tags, y FROM (" +
                  query.sql + ")";
      expect_failure(failing, Code::kInvalidArgument, "a bad page");
    }
  }
}

TEST_F(IngestFaults, AFolderThatCannotBeWrittenIsNamed) {
  IngestSpec missing = spec();
  missing.folder = folder_.path("nowhere");
  missing.threads = 2;
  expect_failure(missing, Code::kIoError, folder_.path("nowhere"));
}

TEST_F(IngestFaults, ALogThatChangedIsNoticed) {
  IngestSpec changed = spec();
  changed.threads = 2;
  changed.source.parts[3].queries[0] = test::parquet_rows(folder_.path("log.parquet"), test::kLogColumns, 30000, 30000);
  expect_failure(changed, Code::kDatasetChanged, "log.parquet");
  IngestSpec grown = spec();
  grown.source.parts[1].queries[0] = test::parquet_rows(folder_.path("log.parquet"), test::kLogColumns, 7000, 14002);
  expect_failure(grown, Code::kDatasetChanged, "7002 rows where there were 7001");
  IngestSpec gone = spec();
  std::filesystem::remove(folder_.path("log.parquet"));
  expect_failure(gone, Code::kIoError, "log.parquet");
}

TEST_F(IngestFaults, DictionariesBeyondTheMemoryNameTheTable) {
  folder_.write("ids.parquet",
                "SELECT i // 10 AS request, 0::BIGINT AS ad, 0::DOUBLE AS x, 0::BIGINT AS tag, [i, -i] AS tags, "
                "0::DOUBLE AS y FROM range(400000) t(i)");
  IngestSpec many = ingest_spec(folder_.source("ids.parquet", test::kLogColumns, {200000}, 400000),
                                Tables::kVocabulary, folder_.make_folder("many"));
  many.memory_bytes = uint64_t{40} << 20;
  many.threads = 2;
  expect_failure(many, Code::kOutOfMemory, "table tags");
}

TEST_F(IngestFaults, SpecsThatDoNotHoldTogetherAreRefused) {
  IngestSpec wrong = spec();
  wrong.threads = 0;
  expect_failure(wrong, Code::kInvalidArgument, "threads");
  wrong = spec();
  wrong.source.parts[0].head_rows = 1;
  expect_failure(wrong, Code::kInvalidArgument, "first part");
  wrong = spec();
  wrong.source.parts[1].head_rows = 7002;
  expect_failure(wrong, Code::kInvalidArgument, "head rows");
  wrong = spec();
  wrong.folder.clear();
  expect_failure(wrong, Code::kInvalidArgument, "folder");
  wrong = spec();
  wrong.dense[0].input = 99;
  expect_failure(wrong, Code::kInvalidArgument, "columns");
  wrong = spec();
  wrong.request_input = 99;
  expect_failure(wrong, Code::kInvalidArgument, "columns");
}

TEST_F(IngestFaults, CancellingEndsARunAndTheNextOne) {
  IngestSpec endless = spec(Tables::kVocabulary);
  const std::string rows = "SELECT i, i, i, i::DOUBLE, i, [i], 0::DOUBLE FROM range(1000000000000) t(i)";
  endless.source.parts = {{{{rows, "rows"}}, 1000000000000, 0}, {{{rows, "rows"}}, 1000000000000, 10}};
  for (IdTable& table : endless.tables) {
    table.learn = false;
    table.buckets = 10;
  }
  endless.codes.pop_back();
  endless.output_order.erase(endless.output_order.begin() + 1);
  for (const size_t threads : {1, 2}) {
    endless.threads = threads;
    endless.folder = folder_.make_folder("endless" + std::to_string(threads));
    auto created = Ingest::create(endless);
    ASSERT_TRUE(created.ok()) << created.status().message();
    std::thread canceller([&] {
      while (created.value()->progress().rows_read < 100000) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      created.value()->cancel();
    });
    EXPECT_EQ(created.value()->run().status().code(), Code::kCancelled);
    canceller.join();
  }
  auto before = Ingest::create(spec());
  ASSERT_TRUE(before.ok());
  before.value()->cancel();
  EXPECT_EQ(before.value()->run().status().code(), Code::kCancelled);
}

TEST_F(IngestFaults, RunsOnce) {
  auto created = Ingest::create(spec());
  ASSERT_TRUE(created.ok());
  ASSERT_TRUE(created.value()->run().ok());
  EXPECT_EQ(created.value()->run().status().code(), Code::kInvalidArgument);
}

TEST_F(IngestFaults, LeaveNoThreadAndNoOpenFile) {
  IngestSpec failing = spec();
  failing.threads = 4;
  failing.source.parts[4].queries[0].sql = "SELECT nothing";
  IngestSpec good = spec(Tables::kVocabulary);
  good.threads = 4;
  EXPECT_FALSE(run(failing).ok());
  const ProcessUse before = ProcessUse::now();
  for (int i = 0; i < 3; ++i) {
    failing.folder = folder_.make_folder("failing" + std::to_string(i));
    EXPECT_FALSE(run(failing).ok());
    good.folder = folder_.make_folder("good" + std::to_string(i));
    EXPECT_TRUE(run(good).ok());
  }
  EXPECT_EQ(ProcessUse::now(), before);
}

}  // namespace
}  // namespace prerank
