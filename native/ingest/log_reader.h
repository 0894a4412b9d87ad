// The rows of a log, part by part: connections to DuckDB and the chunks of the parts' queries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "duckdb/session.h"
#include "ingest/row_block.h"
#include "prerank/ingest.h"
#include "prerank/status.h"

namespace prerank::ingest {

// DuckDB has this part of the memory bound: a half.
inline constexpr uint64_t kDuckdbShare = 2;

// A database that reads the log. All methods: any thread.
class LogReader {
 public:
  // Runs the source's setup in a new database. `columns`: how many columns the queries have at least; `memory_bytes`:
  // what DuckDB may use. The source must outlive the reader.
  static Result<std::unique_ptr<LogReader>> open(const LogSource& source, size_t columns, uint64_t memory_bytes);

  const LogSource& source() const { return source_; }
  Result<std::shared_ptr<duckdb::Connection>> connect();
  // Ends the queries that run now.
  void interrupt();

  // All queries must have the same types of columns, and enough of them: encoders rely on the first query's.
  Status check_columns(const duckdb::QueryColumns& columns);

 private:
  LogReader(const LogSource& source, size_t columns) : source_(source), columns_(columns) {}

  const LogSource& source_;
  size_t columns_;
  std::shared_ptr<duckdb::Database> database_;
  std::mutex mutex_;  // guards what follows
  std::vector<std::weak_ptr<duckdb::Connection>> connections_;
  std::optional<std::vector<duckdb::ColumnShape>> shapes_;
};

// Gets the rows of a part, at most a chunk at once, in memory that lasts for the call. False: the rest is not wanted.
using SliceVisitor = std::function<Result<bool>(const RowSlice&)>;

// The rows of one part in order. One part at a time is read over a connection.
class PartReader {
 public:
  PartReader(LogReader& log, std::shared_ptr<duckdb::Connection> connection, size_t part)
      : log_(&log), connection_(std::move(connection)), part_(&log.source().parts[part]) {}

  // Once. Returns false when the visitor did not want all rows.
  Result<bool> read(const SliceVisitor& visitor);
  // kDatasetChanged unless there were as many rows as the part says.
  Status check_rows() const;
  // The log has other rows than the part says.
  Status changed() const;

 private:
  Status add_origin(const Status& status, const std::string& origin) const;

  LogReader* log_;
  std::shared_ptr<duckdb::Connection> connection_;
  const LogPart* part_;
  uint64_t rows_ = 0;  // read so far
};

}  // namespace prerank::ingest
