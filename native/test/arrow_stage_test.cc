#include "arrow/stage.h"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <vector>

#include "arrow/file_writer.h"
#include "duckdb/session.h"
#include "test/duckdb_fixture.h"

namespace prerank::arrow {
namespace {

class StageTest : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }

  // Rows number = 0, 1, … with ids [2 number, 2 number + 1], or none where number is a multiple of 3.
  std::string write(const std::string& name, const std::vector<size_t>& batches) const {
    auto writer = FileWriter::create(path(name), {{"number", ColumnType::kUint32}, {"ids", ColumnType::kListUint32}});
    EXPECT_TRUE(writer.ok());
    uint32_t next = 0;
    for (const size_t rows : batches) {
      std::vector<uint32_t> numbers, ids;
      std::vector<int32_t> offsets{0};
      for (size_t i = 0; i < rows; ++i, ++next) {
        numbers.push_back(next);
        if (next % 3 != 0) ids.insert(ids.end(), {2 * next, 2 * next + 1});
        offsets.push_back(static_cast<int32_t>(ids.size()));
      }
      const std::array<ColumnBuffers, 2> columns = {ColumnBuffers{numbers.data(), rows, nullptr},
                                                    ColumnBuffers{ids.data(), ids.size(), offsets.data()}};
      EXPECT_TRUE(writer.value()->write(rows, columns).ok());
    }
    EXPECT_TRUE(writer.value()->finish().ok());
    return path(name);
  }

  StageSpec spec(std::vector<std::string> paths) const {
    StageSpec spec;
    spec.library = test::duckdb_library();
    spec.setup = {"SET threads = 2"};
    spec.paths = std::move(paths);
    spec.output = path("staged.parquet");
    spec.file_column = "file";
    spec.row_column = "row";
    spec.memory_bytes = uint64_t{1} << 28;
    return spec;
  }

  // The first value of a query over the staged file's rows, which are called staged.
  int64_t value(const std::string& query) const {
    auto database = duckdb::Database::open(test::duckdb_library(), {{"threads", "1"}});
    EXPECT_TRUE(database.ok());
    auto connection = duckdb::Connection::open(database.value());
    EXPECT_TRUE(connection.ok());
    const std::string rows = "SELECT * FROM read_parquet('" + path("staged.parquet") + "', file_row_number = true)";
    const std::string sql = "WITH staged AS (" + rows + ") SELECT CAST((" + query + ") AS BIGINT) AS value";
    const auto columns = connection.value()->describe(sql);
    EXPECT_TRUE(columns.ok()) << columns.status().message();
    int64_t found = -1;
    const Status status = connection.value()->visit(
        sql, columns.value(), [&found](const std::shared_ptr<const ingest::Chunk>& chunk) -> Status {
          found = static_cast<const int64_t*>(chunk->column(0).data)[0];
          return {};
        });
    EXPECT_TRUE(status.ok()) << status.message();
    return found;
  }

  test::TemporaryFolder folder_;
};

bool never() { return false; }

TEST_F(StageTest, RowsKeepTheirOrderOverSlicesBatchesAndFiles) {
  const auto first = write("a", {300001, 0, 7});
  const auto second = write("b", {5, 123000});
  const auto rows = stage_arrow(spec({first, second}), never);
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  EXPECT_EQ(rows.value(), 423013U);
  EXPECT_EQ(value("SELECT count(*) FROM staged"), 423013);
  EXPECT_EQ(value("SELECT count(*) FROM staged WHERE number = row"), 423013);
  EXPECT_EQ(value("SELECT count(*) FROM staged WHERE file_row_number = number AND file = '" + first + "'"), 300008);
  EXPECT_EQ(value("SELECT count(*) FROM staged WHERE file_row_number = 300008 + number AND file = '" + second + "'"),
            123005);
  EXPECT_EQ(value("SELECT count(*) FROM staged WHERE ids = CASE WHEN number % 3 = 0 THEN [] ELSE [2 * number, 2 * "
                  "number + 1] END"),
            423013);
}

TEST_F(StageTest, AnEmptyLogHasItsColumns) {
  const auto rows = stage_arrow(spec({write("a", {})}), never);
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  EXPECT_EQ(rows.value(), 0U);
  EXPECT_EQ(value("SELECT count(number) + count(ids) + count(file) + count(row) FROM staged"), 0);
}

TEST_F(StageTest, CanBeCancelledBetweenSlices) {
  int asked = 0;
  const auto rows = stage_arrow(spec({write("a", {500000})}), [&] { return ++asked > 3; });
  ASSERT_FALSE(rows.ok());
  EXPECT_EQ(rows.status().code(), Code::kCancelled);
}

TEST_F(StageTest, ReportsAFileThatShrinksMeanwhile) {
  const auto file = write("a", {500000});
  int asked = 0;
  const auto rows = stage_arrow(spec({file}), [&] {
    if (++asked == 3) std::filesystem::resize_file(file, 1000000);
    return false;
  });
  ASSERT_FALSE(rows.ok());
  EXPECT_EQ(rows.status().code(), Code::kDatasetChanged) << rows.status().message();
}

TEST_F(StageTest, ReservedAndMissingNamesAreErrors) {
  auto reserved = spec({write("a", {1})});
  reserved.row_column = "number";
  const auto rows = stage_arrow(reserved, never);
  ASSERT_FALSE(rows.ok());
  EXPECT_NE(rows.status().message().find("must not have the name \"number\""), std::string::npos);
  EXPECT_EQ(stage_arrow(spec({}), never).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(stage_arrow(spec({path("none")}), never).status().code(), Code::kNotFound);
}

TEST_F(StageTest, AnOutputThatCannotBeWrittenIsAnError) {
  auto nowhere = spec({write("a", {1})});
  nowhere.output = path("no/such/folder.parquet");
  const auto rows = stage_arrow(nowhere, never);
  ASSERT_FALSE(rows.ok());
  EXPECT_EQ(rows.status().code(), Code::kIoError) << rows.status().message();
}

}  // namespace
}  // namespace prerank::arrow
