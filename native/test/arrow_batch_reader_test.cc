#include "arrow/batch_reader.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "arrow/file_writer.h"
#include "arrow/utf8.h"
#include "test/duckdb_fixture.h"

namespace prerank::arrow {
namespace {

constexpr size_t kMemory = size_t{1} << 26;

struct Rows {
  std::vector<float> numbers;
  std::vector<uint8_t> flags;
  std::vector<uint32_t> ids;
  std::vector<int32_t> offsets{0};
};

Rows make_rows(size_t count, uint32_t first) {
  Rows rows;
  for (uint32_t i = 0; i < count; ++i) {
    rows.numbers.push_back(static_cast<float>(first + i) / 4);
    rows.flags.push_back(static_cast<uint8_t>(i % 3));
    for (uint32_t k = 0; k < i % 4; ++k) rows.ids.push_back(first + 10 * i + k);
    rows.offsets.push_back(static_cast<int32_t>(rows.ids.size()));
  }
  return rows;
}

template <class T>
std::vector<T> values(std::span<const std::byte> bytes, uint64_t count) {
  std::vector<T> result(count);
  if (count > 0) std::memcpy(result.data(), bytes.data(), count * sizeof(T));
  return result;
}

class BatchReaderTest : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }

  // A file with a batch of each size.
  std::string write(const std::vector<size_t>& sizes) const {
    const std::string file = path("written.arrow");
    std::filesystem::remove(file);
    auto writer = FileWriter::create(file, {{"number", ColumnType::kFloat32},
                                            {"flag", ColumnType::kUint8},
                                            {"ids", ColumnType::kListUint32}});
    EXPECT_TRUE(writer.ok());
    uint32_t first = 0;
    for (const size_t size : sizes) {
      const Rows rows = make_rows(size, first);
      const std::array<ColumnBuffers, 3> columns = {
          ColumnBuffers{rows.numbers.data(), size, nullptr}, ColumnBuffers{rows.flags.data(), size, nullptr},
          ColumnBuffers{rows.ids.data(), rows.ids.size(), rows.offsets.data()}};
      EXPECT_TRUE(writer.value()->write(size, columns).ok());
      first += static_cast<uint32_t>(size);
    }
    EXPECT_TRUE(writer.value()->finish().ok());
    return file;
  }

  // Reads everything, touching every value; the number of rows.
  static Result<uint64_t> read(const std::string& file) {
    PRERANK_ASSIGN_OR_RETURN(auto opened, IpcFile::open(file));
    PRERANK_ASSIGN_OR_RETURN(BatchReader reader, BatchReader::create(opened, kMemory));
    uint64_t rows = 0;
    for (;;) {
      PRERANK_ASSIGN_OR_RETURN(const auto batch, reader.next());
      if (batch == nullptr) return rows;
      rows += batch->rows;
    }
  }

  static std::string content(const std::string& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  test::TemporaryFolder folder_;
};

TEST_F(BatchReaderTest, ReadsWhatTheWriterWrote) {
  const std::vector<size_t> sizes = {1, 0, 3, 64, 65, 1000, 4097};
  const auto file = IpcFile::open(write(sizes));
  ASSERT_TRUE(file.ok()) << file.status().message();
  auto reader = BatchReader::create(file.value(), kMemory);
  ASSERT_TRUE(reader.ok());
  uint32_t first = 0;
  for (const size_t size : sizes) {
    const auto batch = reader.value().next();
    ASSERT_TRUE(batch.ok()) << batch.status().message();
    ASSERT_NE(batch.value(), nullptr);
    const Rows expected = make_rows(size, first);
    ASSERT_EQ(batch.value()->rows, size);
    const auto& columns = batch.value()->columns;
    ASSERT_EQ(columns.size(), 3U);
    EXPECT_EQ(values<float>(columns[0].buffers[0], size), expected.numbers);
    EXPECT_EQ(values<uint8_t>(columns[1].buffers[0], size), expected.flags);
    EXPECT_EQ(values<int32_t>(columns[2].buffers[0], size + 1), expected.offsets);
    EXPECT_EQ(values<uint32_t>(columns[2].children[0].buffers[0], expected.ids.size()), expected.ids);
    EXPECT_EQ(columns[2].null_count, 0U);
    first += static_cast<uint32_t>(size);
  }
  const auto end = reader.value().next();
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end.value(), nullptr);
}

TEST_F(BatchReaderTest, ReadsAFileWithoutBatches) {
  const auto rows = read(write({}));
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  EXPECT_EQ(rows.value(), 0U);
}

TEST_F(BatchReaderTest, ReadsManyBatches) {
  const auto rows = read(write(std::vector<size_t>(700, 2)));
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  EXPECT_EQ(rows.value(), 1400U);
}

TEST_F(BatchReaderTest, EveryTruncationIsAnErrorWithTheFile) {
  const std::string file = write({3, 5});
  const auto size = std::filesystem::file_size(file);
  for (uint64_t length = size; length-- > 0;) {
    std::filesystem::resize_file(file, length);
    const auto rows = read(file);
    ASSERT_FALSE(rows.ok()) << length;
    EXPECT_EQ(rows.status().code(), Code::kInvalidArgument);
    EXPECT_NE(rows.status().message().find(file), std::string::npos);
  }
}

TEST_F(BatchReaderTest, EveryDamagedByteIsAnErrorOrHarmless) {
  const std::string file = write({3, 70});
  const std::string original = content(file);
  std::mt19937 random(7);
  size_t refused = 0;
  for (size_t at = 0; at < original.size(); ++at) {
    std::string damaged = original;
    damaged[at] = static_cast<char>(random() & 0xFF);
    std::ofstream(file, std::ios::binary) << damaged;
    const auto rows = read(file);
    if (rows.ok()) {
      EXPECT_EQ(rows.value(), 73U) << at;
    } else {
      EXPECT_EQ(rows.status().code(), Code::kInvalidArgument) << rows.status().message();
      ++refused;
    }
  }
  EXPECT_GT(refused, original.size() / 8);
}

TEST_F(BatchReaderTest, AFileThatShrinksIsReported) {
  const std::string path = write({70000, 70000});
  const auto file = IpcFile::open(path);
  ASSERT_TRUE(file.ok());
  auto reader = BatchReader::create(file.value(), kMemory);
  ASSERT_TRUE(reader.ok());
  ASSERT_TRUE(reader.value().next().ok());
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  const auto batch = reader.value().next();
  ASSERT_FALSE(batch.ok());
  EXPECT_EQ(batch.status().code(), Code::kDatasetChanged);
}

TEST_F(BatchReaderTest, MemoryIsBounded) {
  const auto file = IpcFile::open(write({5000}));
  ASSERT_TRUE(file.ok());
  auto reader = BatchReader::create(file.value(), 1000);
  ASSERT_TRUE(reader.ok());
  const auto batch = reader.value().next();
  ASSERT_FALSE(batch.ok());
  EXPECT_EQ(batch.status().code(), Code::kOutOfMemory);
  EXPECT_NE(batch.status().message().find("record batch 0: column \"ids\""), std::string::npos);
}

TEST(Utf8, IsAsUnicodeDefinesIt) {
  const auto valid = [](std::string_view text) { return is_utf8(std::as_bytes(std::span(text))); };
  for (const char* text : {"", "plain ASCII, longer than a word", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
                           "\xEE\x80\x80", "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "1234567\xC3\xA9"}) {
    EXPECT_TRUE(valid(text)) << text;
  }
  for (const char* text : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2 ", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE1\x80",
                           "\xE1\x80 ", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF",
                           "12345678\xC3"}) {
    EXPECT_FALSE(valid(text)) << text;
  }
}

}  // namespace
}  // namespace prerank::arrow
