#include "arrow/file_writer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "test/duckdb_fixture.h"

namespace prerank::arrow {
namespace {

class FileWriterTest : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }

  static std::string content(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  template <class T>
  static T read(const std::string& bytes, size_t at) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof(T));
    return value;
  }

  test::TemporaryFolder folder_;
};

TEST_F(FileWriterTest, MessagesAndValuesAreAlignedAndStandWhereTheWriterSays) {
  auto created = FileWriter::create(path("a.arrow"), {{"x", ColumnType::kFloat32}, {"tags", ColumnType::kListUint32}});
  ASSERT_TRUE(created.ok());
  FileWriter& writer = *created.value();
  const std::array<float, 3> numbers = {1.5F, -2, 3};
  const std::array<uint32_t, 4> ids = {7, 8, 9, 10};
  const std::array<int32_t, 4> offsets = {0, 1, 1, 4};
  const std::array<ColumnBuffers, 2> columns = {ColumnBuffers{numbers.data(), 3, nullptr},
                                                ColumnBuffers{ids.data(), 4, offsets.data()}};
  const auto first = writer.write(3, columns);
  const auto second = writer.write(3, columns);
  ASSERT_TRUE(first.ok() && second.ok());
  const auto size = writer.finish();
  ASSERT_TRUE(size.ok());

  const std::string bytes = content(path("a.arrow"));
  EXPECT_EQ(bytes.size(), size.value());
  EXPECT_EQ(bytes.substr(0, 8), std::string("ARROW1\0\0", 8));
  EXPECT_EQ(bytes.substr(bytes.size() - 6), "ARROW1");
  EXPECT_EQ(second.value().offset, first.value().offset + first.value().bytes);
  for (const WrittenBatch& batch : {first.value(), second.value()}) {
    EXPECT_EQ(batch.offset % 64, 0U);
    EXPECT_EQ(batch.bytes % 64, 0U);
    EXPECT_EQ(read<uint32_t>(bytes, batch.offset), 0xFFFFFFFFU);
    ASSERT_EQ(batch.values_offset.size(), 2U);
    EXPECT_EQ(batch.values_offset[0] % 64, 0U);
    EXPECT_EQ(batch.values_offset[1] % 64, 0U);
    EXPECT_EQ(std::memcmp(bytes.data() + batch.values_offset[0], numbers.data(), sizeof(numbers)), 0);
    EXPECT_EQ(std::memcmp(bytes.data() + batch.values_offset[1], ids.data(), sizeof(ids)), 0);
  }
}

TEST_F(FileWriterTest, TheSameColumnsGiveTheSameBytes) {
  for (const char* name : {"a", "b"}) {
    auto writer = FileWriter::create(path(name), {{"x", ColumnType::kUint8}}, {{"key", "value"}});
    ASSERT_TRUE(writer.ok());
    const std::array<uint8_t, 5> values = {1, 2, 3, 4, 5};
    const ColumnBuffers column = {values.data(), values.size(), nullptr};
    ASSERT_TRUE(writer.value()->write(5, {&column, 1}).ok());
    ASSERT_TRUE(writer.value()->finish().ok());
  }
  EXPECT_EQ(content(path("a")), content(path("b")));
}

TEST_F(FileWriterTest, ManyColumnsGoBeyondTheVectorsOfOneWrite) {
  std::vector<FileColumn> columns;
  std::vector<std::array<uint32_t, 3>> values(300);
  std::vector<ColumnBuffers> buffers;
  for (uint32_t i = 0; i < values.size(); ++i) {
    values[i] = {i, i + 1, i + 2};
    columns.push_back({std::string("c").append(std::to_string(i)), ColumnType::kUint32});
    buffers.push_back({values[i].data(), 3, nullptr});
  }
  auto writer = FileWriter::create(path("a"), columns);
  ASSERT_TRUE(writer.ok());
  const auto batch = writer.value()->write(3, buffers);
  ASSERT_TRUE(batch.ok());
  ASSERT_TRUE(writer.value()->finish().ok());
  const std::string bytes = content(path("a"));
  for (uint32_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(read<uint32_t>(bytes, batch.value().values_offset[i] + 4), i + 1);
  }
}

TEST_F(FileWriterTest, AFileThatExistsIsLeftAlone) {
  std::ofstream(path("a")) << "mine";
  const auto writer = FileWriter::create(path("a"), {{"x", ColumnType::kFloat32}});
  ASSERT_FALSE(writer.ok());
  EXPECT_EQ(writer.status().code(), Code::kIoError);
  EXPECT_NE(writer.status().message().find(path("a") + ": cannot create the file: File exists"), std::string::npos);
  EXPECT_EQ(content(path("a")), "mine");
}

TEST_F(FileWriterTest, ColumnsThatDoNotFitTheRowsAreRefused) {
  auto created = FileWriter::create(path("a"), {{"x", ColumnType::kFloat32}, {"tags", ColumnType::kListFloat32}});
  ASSERT_TRUE(created.ok());
  const std::array<float, 3> values = {1, 2, 3};
  const std::array<int32_t, 3> offsets = {0, 1, 3};
  const std::array<int32_t, 3> late = {1, 1, 3};
  const auto expect_refused = [&](ColumnBuffers scalar, ColumnBuffers list, const char* words) {
    const auto result = created.value()->write(2, std::array{scalar, list});
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.status().code(), Code::kInvalidArgument);
    EXPECT_NE(result.status().message().find(words), std::string::npos) << result.status().message();
  };
  const ColumnBuffers scalar = {values.data(), 2, nullptr}, list = {values.data(), 3, offsets.data()};
  expect_refused({values.data(), 3, nullptr}, list, "column \"x\": 3 values for 2 rows");
  expect_refused(scalar, {values.data(), 2, offsets.data()}, "column \"tags\": 2 values do not fit its offsets");
  expect_refused(scalar, {values.data(), 3, late.data()}, "do not fit its offsets");
  expect_refused(scalar, {values.data(), 3, nullptr}, "do not fit its offsets");
  expect_refused(scalar, {values.data(), size_t{1} << 31, offsets.data()}, "offsets of one record batch");
  EXPECT_FALSE(created.value()->write(2, {&scalar, 1}).ok());
  EXPECT_TRUE(created.value()->write(2, std::array{scalar, list}).ok());
}

// In a process of its own: the limit and the signal's disposition belong to the process.
int write_beyond_the_limit(const std::string& path) {
  signal(SIGXFSZ, SIG_DFL);
  const rlimit limit = {100000, 100000};
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
  auto writer = FileWriter::create(path, {{"x", ColumnType::kFloat32}});
  if (!writer.ok()) return 3;
  const std::vector<float> values(10000, 1);
  const ColumnBuffers column = {values.data(), values.size(), nullptr};
  for (int i = 0; i < 2; ++i) {
    if (!writer.value()->write(values.size(), {&column, 1}).ok()) return 4;
  }
  const auto refused = writer.value()->write(values.size(), {&column, 1});
  if (refused.ok() || refused.status().code() != Code::kIoError) return 5;
  if (refused.status().message() != path + ": cannot write: File too large") return 6;
  if (writer.value()->finish().ok()) return 7;
  sigset_t blocked;
  sigset_t pending;
  pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  sigpending(&pending);
  return sigismember(&blocked, SIGXFSZ) == 1 || sigismember(&pending, SIGXFSZ) == 1 ? 8 : 0;
}

TEST_F(FileWriterTest, AFileSizeLimitIsAnErrorAndNoSignal) {
  const std::string file = path("limited");
  EXPECT_EXIT(std::_Exit(write_beyond_the_limit(file)), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace prerank::arrow
