// The rows of a log, part by part: connections to DuckDB and the chunks of the parts' queries.
#pragma once

#include <cstddef>
#include <cstdint>
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
  Status check_columns(const duckdb::Stream& stream);

 private:
  LogReader(const LogSource& source, size_t columns) : source_(source), columns_(columns) {}

  const LogSource& source_;
  size_t columns_;
  std::shared_ptr<duckdb::Database> database_;
  std::mutex mutex_;  // guards what follows
  std::vector<std::weak_ptr<duckdb::Connection>> connections_;
  std::optional<std::vector<duckdb::ColumnShape>> shapes_;
};

// The rows of one part in order. One part at a time is read over a connection.
class PartReader {
 public:
  PartReader(LogReader& log, std::shared_ptr<duckdb::Connection> connection, size_t part)
      : log_(&log), connection_(std::move(connection)), part_(&log.source().parts[part]) {}

  // The head: the part's first head_rows rows. kDatasetChanged when there are fewer.
  Result<std::vector<RowSlice>> read_head();
  // The next rows, at most a chunk; nullopt after the last.
  Result<std::optional<RowSlice>> next();
  // Rows read so far.
  uint64_t rows() const { return rows_; }
  // kDatasetChanged unless all rows are read and there were as many as the part says.
  Status check_end();

 private:
  Status changed() const;
  Status add_origin(const Status& status) const;

  LogReader* log_;
  std::shared_ptr<duckdb::Connection> connection_;
  const LogPart* part_;
  size_t query_ = 0;  // the one being read
  std::unique_ptr<duckdb::Stream> stream_;
  RowSlice pending_;  // rows of a chunk that the head did not take
  uint64_t rows_ = 0;
};

}  // namespace prerank::ingest
