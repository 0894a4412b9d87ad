// Which batches come, when, and what goes wrong.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "base/block_checksum.h"
#include "io/row_set.h"
#include "loader_fixture.h"

namespace prerank {
namespace {

using testing_io::ColumnMaker;
using testing_io::Sample;
using testing_io::sample_options;

std::unique_ptr<Loader> make(const ColumnMaker& columns, LoaderOptions options) {
  auto loader = Loader::create(columns.dataset().value(), std::move(options));
  EXPECT_TRUE(loader.ok()) << loader.status().message();
  return std::move(loader).value();
}

// Source rows of all remaining batches, one vector a batch.
std::vector<std::vector<uint32_t>> drain(Loader& loader) {
  std::vector<std::vector<uint32_t>> batches;
  while (const Batch* batch = loader.next().value())
    batches.emplace_back(batch->source_row.begin(), batch->source_row.end());
  return batches;
}

TEST(LoaderSequence, TheLastBatchOfAnEpochIsPartial) {
  const Sample sample({19});
  auto options = sample_options();
  options.epochs = 2;
  const auto loader = make(sample.columns, options);
  EXPECT_EQ(loader->batches_per_epoch(), 3u);
  std::vector<size_t> sizes;
  for (const auto& batch : drain(*loader)) sizes.push_back(batch.size());
  EXPECT_EQ(sizes, (std::vector<size_t>{8, 8, 3, 8, 8, 3}));
  EXPECT_EQ(loader->next().value(), nullptr);
}

TEST(LoaderSequence, AnEmptyDatasetEndsAtOnce) {
  const Sample sample({});
  const auto loader = make(sample.columns, sample_options());
  EXPECT_EQ(loader->batches_per_epoch(), 0u);
  EXPECT_EQ(loader->next().value(), nullptr);
  EXPECT_EQ(loader->consumed().epoch, 0u);
}

TEST(LoaderSequence, IsTheSameForAnyNumberOfThreads) {
  const Sample sample({100, 100, 55});
  auto options = sample_options();
  options.shuffle = Shuffle::kFull;
  options.epochs = 3;
  const auto expected = drain(*make(sample.columns, options));
  for (const size_t threads : {2u, 5u}) {
    options.threads = threads;
    options.prefetch = threads + 1;
    EXPECT_EQ(drain(*make(sample.columns, options)), expected);
  }
  options.seed = 12;
  EXPECT_NE(drain(*make(sample.columns, options)), expected);
}

TEST(LoaderSequence, SeekGoesOnWhereAnotherLoaderStopped) {
  const Sample sample({30});
  auto options = sample_options();
  options.shuffle = Shuffle::kWindow;
  options.window_rows = 12;
  options.epochs = 3;
  options.threads = 2;
  const auto all = drain(*make(sample.columns, options));
  for (size_t stop = 0; stop <= all.size(); ++stop) {
    const auto first = make(sample.columns, options);
    for (size_t b = 0; b < stop; ++b) ASSERT_NE(first->next().value(), nullptr);
    const Cursor cursor = first->consumed();
    EXPECT_EQ(cursor.epoch * 4 + cursor.batch, stop);
    const auto second = make(sample.columns, options);
    ASSERT_NE(second->next().value(), nullptr);
    ASSERT_TRUE(second->seek(cursor).ok());
    EXPECT_EQ(drain(*second),
              std::vector<std::vector<uint32_t>>(all.begin() + static_cast<ptrdiff_t>(stop), all.end()));
  }
  const auto loader = make(sample.columns, options);
  EXPECT_EQ(loader->seek({3, 1}).code(), Code::kOutOfRange);
  EXPECT_EQ(loader->seek({0, 4}).code(), Code::kOutOfRange);
}

// A dataset whose row 10 is bad in one column.
void expect_bad_row(const std::function<void(ColumnMaker&)>& add_bad_column, LoaderOptions options, Code code,
                    const std::string& part) {
  ColumnMaker columns({20});
  columns.add("good", std::vector<float>(20, 0.5f));
  add_bad_column(columns);
  options.batch_size = 4;
  options.threads = 2;
  options.epochs = 2;
  const auto loader = make(columns, options);
  EXPECT_NE(loader->next().value(), nullptr);
  EXPECT_NE(loader->next().value(), nullptr);
  const auto bad = loader->next();
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.status().code(), code);
  EXPECT_NE(bad.status().message().find("row 10"), std::string::npos) << bad.status().message();
  EXPECT_NE(bad.status().message().find(part), std::string::npos) << bad.status().message();
  EXPECT_EQ(loader->consumed().batch, 2u);
  const auto after = loader->next();
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(after.value(), nullptr);
}

std::vector<float> floats_with(float bad) {
  std::vector<float> values(20, 0.5f);
  values[10] = bad;
  return values;
}

TEST(LoaderErrors, DenseValuesMustBeFinite) {
  LoaderOptions options;
  options.dense = {{Domain::kRow, {"good", "age"}}};
  expect_bad_row([](ColumnMaker& c) { c.add("age", floats_with(NAN)); }, options, Code::kInvalidArgument, "column age");
  expect_bad_row([](ColumnMaker& c) { c.add("age", floats_with(-INFINITY)); }, options, Code::kInvalidArgument,
                 "infinite");
}

TEST(LoaderErrors, IdsMustBeInTheirTable) {
  LoaderOptions options;
  options.ids = {{.column = "ad", .table = 0, .table_rows = 6}};
  std::vector<uint32_t> ads(20, 5);
  ads[10] = 6;
  expect_bad_row([&](ColumnMaker& c) { c.add("ad", ads); }, options, Code::kOutOfRange, "id 6 is out of range");
  options.ids = {{.column = "ad", .multi = true, .table = 0, .table_rows = 6}};
  std::vector<std::vector<uint32_t>> lists(20, {1, 2});
  lists[10] = {3, 4000000000u};
  expect_bad_row([&](ColumnMaker& c) { c.add("ad", lists); }, options, Code::kOutOfRange,
                 "id 4000000000 is out of range");
}

TEST(LoaderErrors, ListWeightsMustMatchTheirIds) {
  LoaderOptions options;
  options.ids = {{.column = "ad", .weights = "w", .multi = true, .table = 0, .table_rows = 6}};
  const std::vector<std::vector<uint32_t>> lists(20, {1, 2});
  std::vector<std::vector<float>> weights(20, {0.5f, 0.5f});
  weights[10] = {0.5f};
  weights[11] = {0.5f, 0.5f, 0.5f};
  expect_bad_row([&](ColumnMaker& c) { c.add("ad", lists), c.add("w", weights); }, options, Code::kInvalidArgument,
                 "1 weights for 2 ids");
  weights[10] = {0.5f, NAN};
  weights[11] = {0.5f, 0.5f};
  expect_bad_row([&](ColumnMaker& c) { c.add("ad", lists), c.add("w", weights); }, options, Code::kInvalidArgument,
                 "column w");
}

TEST(LoaderErrors, TargetsAndWeightsAreChecked) {
  LoaderOptions options;
  options.tasks = {{.target = "y", .probability = true}};
  expect_bad_row([](ColumnMaker& c) { c.add("y", floats_with(1.5f)); }, options, Code::kOutOfRange, "not in [0, 1]");
  options.tasks = {{.target = "y"}};
  expect_bad_row([](ColumnMaker& c) { c.add("y", floats_with(INFINITY)); }, options, Code::kInvalidArgument,
                 "column y");
  options.tasks = {{.target = "good"}};
  options.weight = "y";
  expect_bad_row([](ColumnMaker& c) { c.add("y", floats_with(NAN)); }, options, Code::kInvalidArgument, "NaN");
  expect_bad_row([](ColumnMaker& c) { c.add("y", floats_with(-1)); }, options, Code::kInvalidArgument, "negative");
}

TEST(LoaderErrors, ADamagedChunkIsReportedWhenABatchTouchesIt) {
  const Sample sample({16, 0, 24, 8});
  const std::vector<float> message(1000, 0.5f);
  std::vector<ChunkChecksum> checksums;
  for (size_t k = 0; k < 4; ++k) {
    checksums.push_back({std::as_bytes(std::span(message)), block_checksum(std::as_bytes(std::span(message))), "part-00003.arrow", 10 + k});
  }
  checksums[2].expected = 0;
  auto options = sample_options();
  options.threads = 2;
  const auto loader = std::move(Loader::create(sample.columns.dataset(checksums).value(), options)).value();
  for (int batch = 0; batch < 2; ++batch) ASSERT_NE(loader->next().value(), nullptr);  // rows 0 to 15
  const auto bad = loader->next();
  EXPECT_EQ(bad.status().code(), Code::kDatasetCorrupt);
  EXPECT_NE(bad.status().message().find("part-00003.arrow: record batch 12"), std::string::npos);
  EXPECT_EQ(loader->next().value(), nullptr);
}

TEST(RowLocator, FindsRowsOfUnequalChunks) {
  // Chunks of no row, of one, and a large one among small ones.
  const std::vector<std::vector<size_t>> shapes = {
      {7}, {0, 1, 0, 0, 5, 0}, {1000, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 2000, 3}, {64, 64, 64}, {1, 1, 1, 5000}};
  for (const auto& chunks : shapes) {
    const Sample sample(chunks);
    const auto dataset = sample.columns.dataset().value();
    const RowLocator locator(dataset->columns());
    EXPECT_EQ(locator.chunks(), chunks.size());
    RowSetBuffer buffer;
    ASSERT_TRUE(buffer.reserve(sample.rows).ok());
    for (uint32_t row = 0; row < sample.rows; ++row) buffer.source(sample.rows)[row] = row;
    const RowSet rows = locator.locate(buffer, sample.rows);
    size_t row = 0;
    for (size_t k = 0; k < chunks.size(); ++k) {
      for (size_t i = 0; i < chunks[k]; ++i, ++row) {
        ASSERT_EQ(rows.chunk[row], k);
        ASSERT_EQ(rows.local[row], i);
      }
    }
  }
}

TEST(LoaderErrors, OptionsAreCheckedAgainstTheDataset) {
  const Sample sample({10});
  const auto refused = [&](const std::function<void(LoaderOptions&)>& change) {
    auto options = sample_options();
    change(options);
    return Loader::create(sample.columns.dataset().value(), options).status();
  };
  EXPECT_TRUE(refused([](LoaderOptions&) {}).ok());
  EXPECT_EQ(refused([](LoaderOptions& o) { o.batch_size = 0; }).code(), Code::kInvalidArgument);
  EXPECT_EQ(refused([](LoaderOptions& o) { o.shuffle = Shuffle::kWindow; }).code(), Code::kInvalidArgument);
  EXPECT_EQ(refused([](LoaderOptions& o) { o.request = ""; }).code(), Code::kInvalidArgument);
  EXPECT_EQ(refused([](LoaderOptions& o) { o.weight = "nothing"; }).code(), Code::kNotFound);
  EXPECT_EQ(refused([](LoaderOptions& o) { o.weight = "ad"; }).message(), "column ad is uint32, but float32 is needed");
  EXPECT_EQ(refused([](LoaderOptions& o) { o.ids[0].table_rows = 49; }).code(), Code::kInvalidArgument);
  EXPECT_EQ(refused([](LoaderOptions& o) { o.ids[0].table = -1; }).code(), Code::kInvalidArgument);
  EXPECT_EQ(refused([](LoaderOptions& o) { o.tasks.resize(33, o.tasks[0]); }).code(), Code::kUnsupported);
}

TEST(LoaderErrors, AFileThatShrinksMeanwhileIsReported) {
  std::string pattern = (std::filesystem::temp_directory_path() / "prerank-loader-XXXXXX").string();
  const std::filesystem::path folder = mkdtemp(pattern.data());
  constexpr size_t kRows = 1 << 20;
  {
    const std::vector<float> values(kRows, 0.5f);
    std::ofstream(folder / "x", std::ios::binary)
        .write(reinterpret_cast<const char*>(values.data()), kRows * sizeof(float));
  }
  auto file = MappedFile::open((folder / "x").string());
  ASSERT_TRUE(file.ok());
  auto dataset = Dataset::create({{"x", ColumnType::kFloat32, {{file.value()->bytes().data(), kRows, nullptr, kRows}}}},
                                 file.value());
  LoaderOptions options;
  options.batch_size = 1024;
  options.threads = 2;
  options.epochs = 1000;
  options.shuffle = Shuffle::kFull;
  options.dense = {{Domain::kRow, {"x"}}};
  auto loader = std::move(Loader::create(dataset.value(), options)).value();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(loader->next().ok());
  std::filesystem::resize_file(folder / "x", 40000);
  Status status;
  for (int i = 0; i < 10 && status.ok(); ++i) status = loader->next().status();
  EXPECT_EQ(status.code(), Code::kDatasetChanged) << status.message();
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace prerank
