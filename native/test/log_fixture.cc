#include "log_fixture.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <iterator>

namespace prerank::test {
namespace {

size_t entries(const char* folder) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

}  // namespace

LogFolder::LogFolder() {
  auto database = duckdb::Database::open(duckdb_library(), {{"threads", "1"}});
  EXPECT_TRUE(database.ok()) << database.status().message();
  auto connection = duckdb::Connection::open(std::move(database).value());
  EXPECT_TRUE(connection.ok()) << connection.status().message();
  connection_ = std::move(connection).value();
}

void LogFolder::write(const std::string& name, const std::string& query) {
  const Status status = connection_->run("COPY (" + query + ") TO '" + path(name) +
                                         "' (FORMAT parquet, ROW_GROUP_SIZE 2048)");
  ASSERT_TRUE(status.ok()) << status.message();
}

std::string LogFolder::make_folder(const std::string& name) {
  std::filesystem::create_directory(path(name));
  return path(name);
}

LogQuery parquet_rows(const std::string& path, const std::string& columns, uint64_t from, uint64_t to) {
  return {"SELECT file_row_number, " + columns + " FROM read_parquet('" + path +
              "', file_row_number = true) WHERE file_row_number >= " + std::to_string(from) +
              " AND file_row_number < " + std::to_string(to),
          path};
}

LogSource LogFolder::source(const std::string& name, const std::string& columns, const std::vector<uint64_t>& cuts,
                            uint64_t rows) const {
  LogSource source{duckdb_library(), {}, {}};
  uint64_t from = 0;
  for (size_t i = 0; i <= cuts.size(); ++i) {
    const uint64_t to = i < cuts.size() ? cuts[i] : rows;
    source.parts.push_back({{parquet_rows(path(name), columns, from, to)}, to - from, 0});
    from = to;
  }
  return source;
}

ProcessUse ProcessUse::now() { return {entries("/proc/self/fd"), entries("/proc/self/task")}; }

}  // namespace prerank::test
