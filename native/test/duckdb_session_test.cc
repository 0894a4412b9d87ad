#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "duckdb/library.h"
#include "duckdb/session.h"
#include "duckdb_fixture.h"
#include "ingest/row_copy.h"

namespace prerank::duckdb {
namespace {

using ingest::Chunk;
using ingest::Physical;

std::shared_ptr<Connection> connect() {
  auto database = Database::open(test::duckdb_library(), {{"threads", "1"}});
  EXPECT_TRUE(database.ok()) << database.status().message();
  auto connection = Connection::open(std::move(database).value());
  EXPECT_TRUE(connection.ok()) << connection.status().message();
  return std::move(connection).value();
}

template <class T>
T number(const Chunk& chunk, size_t column, size_t row) {
  return static_cast<const T*>(chunk.column(column).data)[row];
}

TEST(DuckdbLibrary, SaysWhatIsWrongWithTheFile) {
  EXPECT_EQ(load_library("/nowhere/libduckdb.so").status().code(), Code::kNotFound);
  const test::TemporaryFolder folder;
  const std::string path = folder.path() + "/libduckdb.so";
  std::ofstream(path) << "no library";
  const Status status = load_library(path).status();
  EXPECT_EQ(status.code(), Code::kUnsupported);
  EXPECT_NE(status.message().find(path), std::string::npos);
}

TEST(DuckdbLibrary, RefusesALibraryWithoutTheFunctions) {
  const Status status = load_library("/lib/x86_64-linux-gnu/libm.so.6").status();
  ASSERT_EQ(status.code(), Code::kUnsupported) << status.message();
  EXPECT_NE(status.message().find("duckdb_library_version"), std::string::npos) << status.message();
}

// Runs a query and shows its rows to `visitor`.
Status visit(Connection& connection, const std::string& sql, const ChunkVisitor& visitor) {
  const auto columns = connection.describe(sql);
  return columns.ok() ? connection.visit(sql, columns.value(), visitor) : columns.status();
}

void expect_every_type(const Chunk& row) {
  ASSERT_EQ(row.rows(), 1u);
  EXPECT_TRUE(number<bool>(row, 0, 0));
  EXPECT_EQ(number<int8_t>(row, 1, 0), -1);
  EXPECT_EQ(number<int16_t>(row, 2, 0), -2);
  EXPECT_EQ(number<int32_t>(row, 3, 0), -3);
  EXPECT_EQ(number<int64_t>(row, 4, 0), -4);
  EXPECT_EQ(number<uint8_t>(row, 5, 0), 1u);
  EXPECT_EQ(number<uint16_t>(row, 6, 0), 2u);
  EXPECT_EQ(number<uint32_t>(row, 7, 0), 3u);
  EXPECT_EQ(number<uint64_t>(row, 8, 0), 4u);
  EXPECT_EQ(number<float>(row, 9, 0), 0.5f);
  EXPECT_EQ(number<double>(row, 10, 0), 0.25);
  EXPECT_EQ(row.column(11).text(0), "short");
  EXPECT_EQ(row.column(12).text(0), "a string of more than twelve characters");
  const ingest::VectorView& list = row.column(13);
  ASSERT_EQ(list.type, Physical::kList);
  EXPECT_EQ(list.list(0).length, 3u);
  ASSERT_EQ(list.child->type, Physical::kInt64);
  EXPECT_EQ(list.child->size, 3u);
  EXPECT_EQ(static_cast<const int64_t*>(list.child->data)[2], 3);
  EXPECT_FALSE(list.child->valid(1));
  const ingest::VectorView& nested = *row.column(14).child;
  ASSERT_EQ(nested.type, Physical::kList);
  EXPECT_EQ(nested.child->text(nested.list(2).offset + 1), "z");
  EXPECT_FALSE(row.column(15).valid(0));
}

TEST(DuckdbSession, ShowsEveryTypeOfColumn) {
  const std::string sql =
      "SELECT true b, (-1)::TINYINT i8, (-2)::SMALLINT i16, (-3)::INTEGER i32, (-4)::BIGINT i64, 1::UTINYINT u8, "
      "2::USMALLINT u16, 3::UINTEGER u32, 4::UBIGINT u64, 0.5::FLOAT f, 0.25::DOUBLE d, 'short' s, "
      "'a string of more than twelve characters' l, [1, NULL, 3]::BIGINT[] li, [['x'], [], ['y', 'z']] ll, "
      "NULL::BIGINT n";
  const auto connection = connect();
  const auto columns = connection->describe(sql);
  ASSERT_TRUE(columns.ok()) << columns.status().message();
  EXPECT_EQ(columns.value().names.front(), "b");
  size_t chunks = 0;
  const auto status = connection->visit(sql, columns.value(), [&](const std::shared_ptr<const Chunk>& chunk) -> Status {
    expect_every_type(*chunk);
    ++chunks;
    return {};
  });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(chunks, 1u);
}

TEST(DuckdbSession, ShowsRowsInOrder) {
  int64_t expected = 0;
  const auto connection = connect();
  const Status status = visit(
      *connection, "SELECT i, 'value number ' || i AS text, i AS i FROM range(10000) t(i)",
      [&](const std::shared_ptr<const Chunk>& chunk) -> Status {
        for (size_t row = 0; row < chunk->rows(); ++row, ++expected) {
          EXPECT_EQ(number<int64_t>(*chunk, 0, row), expected);
          EXPECT_EQ(chunk->column(1).text(row), "value number " + std::to_string(expected));
          EXPECT_EQ(number<int64_t>(*chunk, 2, row), expected);
        }
        return {};
      });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(expected, 10000);
}

TEST(DuckdbSession, CopiesOfRowsOutliveTheQuery) {
  std::vector<ingest::RowSlice> copies;
  {
    const auto connection = connect();
    const Status status = visit(
        *connection,
        "SELECT CASE WHEN i % 5 = 0 THEN NULL ELSE i END AS n, 'value number ' || i AS text, "
        "CASE WHEN i % 7 = 0 THEN NULL ELSE list_transform(range(i % 4), lambda x: ['element ' || (i + x), NULL]) END AS l "
        "FROM range(5000) t(i)",
        [&](const std::shared_ptr<const Chunk>& chunk) -> Status {
          copies.push_back(ingest::copy_rows({chunk, 10, chunk->rows(), "origin"}));
          return {};
        });
    ASSERT_TRUE(status.ok()) << status.message();
  }
  ASSERT_EQ(copies.size(), 3u);
  for (size_t k = 0; k < copies.size(); ++k) {
    const ingest::RowSlice& copy = copies[k];
    EXPECT_EQ(copy.origin, "origin");
    EXPECT_EQ(copy.from, 0u);
    EXPECT_EQ(copy.to, copy.chunk->rows());
    const ingest::VectorView& lists = copy.chunk->column(2);
    for (size_t row = 0; row < copy.rows(); ++row) {
      const size_t i = 2048 * k + 10 + row;
      ASSERT_EQ(copy.chunk->column(0).valid(row), i % 5 != 0);
      if (i % 5 != 0) {
        ASSERT_EQ(number<int64_t>(*copy.chunk, 0, row), static_cast<int64_t>(i));
      }
      ASSERT_EQ(copy.chunk->column(1).text(row), "value number " + std::to_string(i));
      ASSERT_EQ(lists.valid(row), i % 7 != 0);
      if (i % 7 == 0) continue;
      ASSERT_EQ(lists.list(row).length, i % 4);
      for (size_t x = 0; x < i % 4; ++x) {
        const auto [offset, length] = lists.child->list(lists.list(row).offset + x);
        ASSERT_EQ(length, 2u);
        ASSERT_EQ(lists.child->child->text(offset), "element " + std::to_string(i + x));
        ASSERT_FALSE(lists.child->child->valid(offset + 1));
      }
    }
  }
}

TEST(DuckdbSession, EndsTheQueryWithWhatTheVisitorSays) {
  const auto connection = connect();
  size_t chunks = 0;
  const auto stop = [&](const std::shared_ptr<const Chunk>&) -> Status {
    ++chunks;
    return {Code::kOutOfRange, "enough"};
  };
  const Status status = visit(*connection, "SELECT i FROM range(1000000000000) t(i)", stop);
  EXPECT_EQ(status.code(), Code::kOutOfRange);
  EXPECT_EQ(status.message(), "enough");
  EXPECT_EQ(chunks, 1u);
  const auto fail = [](const std::shared_ptr<const Chunk>&) -> Status { throw std::bad_alloc(); };
  EXPECT_EQ(visit(*connection, "SELECT 1 AS a", fail).code(), Code::kOutOfMemory);
  EXPECT_TRUE(connection->run("SELECT 1").ok());
}

TEST(DuckdbSession, ShowsRowsOnOneThreadOnly) {
  auto database = Database::open(test::duckdb_library(), {{"threads", "2"}});
  ASSERT_TRUE(database.ok());
  const auto connection = Connection::open(std::move(database).value()).value();
  EXPECT_EQ(visit(*connection, "SELECT 1 AS a", [](const auto&) { return Status(); }).code(), Code::kInvalidArgument);
}

TEST(DuckdbSession, NamesColumnAndTypeThatItCannotShow) {
  const auto connection = connect();
  const Status status = connection->describe("SELECT 1 AS a, [DATE '2024-01-01'] AS day").status();
  EXPECT_EQ(status.code(), Code::kUnsupported);
  EXPECT_NE(status.message().find("column day has the type DATE"), std::string::npos) << status.message();
  EXPECT_TRUE(connection->run("SELECT 1").ok());
}

TEST(DuckdbSession, ReportsErrorsByTheirFirstLine) {
  const auto connection = connect();
  Status status = connection->describe("SELECT nothing FROM range(3)").status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_NE(status.message().find("nothing"), std::string::npos);
  EXPECT_EQ(status.message().find('\n'), std::string::npos);
  EXPECT_EQ(connection->run("SELEKT 1").code(), Code::kInvalidArgument);
  EXPECT_EQ(connection->run("COPY (SELECT 1) TO '/nowhere/at/all.parquet'").code(), Code::kIoError);
  EXPECT_EQ(Database::open(test::duckdb_library(), {{"no_such_setting", "1"}}).status().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(Database::open(test::duckdb_library(), {{"memory_limit", "much"}}).status().code(),
            Code::kInvalidArgument);
}

TEST(DuckdbSession, FailsWhereTheQueryFails) {
  const auto connection = connect();
  size_t rows = 0;
  const Status status =
      visit(*connection, "SELECT CASE WHEN i = 900000 THEN error('bad row') ELSE i END AS i FROM range(1000000) t(i)",
            [&](const std::shared_ptr<const Chunk>& chunk) -> Status {
              rows += chunk->rows();
              return {};
            });
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_NE(status.message().find("bad row"), std::string::npos) << status.message();
  EXPECT_GT(rows, 0u);
  EXPECT_LT(rows, 900000u);
}

TEST(DuckdbSession, SaysWhenMemoryIsShort) {
  auto database = Database::open(test::duckdb_library(), {{"threads", "1"}, {"memory_limit", "8MB"}});
  ASSERT_TRUE(database.ok());
  auto connection = Connection::open(std::move(database).value());
  ASSERT_TRUE(connection.ok());
  ASSERT_TRUE(connection.value()->run("SET temp_directory = ''").ok());
  const Status status = connection.value()->run("CREATE TABLE t AS SELECT hash(i) AS h FROM range(20000000) t(i)");
  EXPECT_EQ(status.code(), Code::kOutOfMemory) << status.message();
}

TEST(DuckdbSession, StopsWhenInterrupted) {
  const auto connection = connect();
  std::atomic<bool> done{false};
  std::thread stopper([&] {
    while (!done) {
      connection->interrupt();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  const Status status = connection->run("SELECT sum(hash(a.i + b.i)) FROM range(1000000) a(i), range(1000000) b(i)");
  done = true;
  stopper.join();
  EXPECT_EQ(status.code(), Code::kCancelled) << status.message();
}

}  // namespace
}  // namespace prerank::duckdb
