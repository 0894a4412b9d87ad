#include "ingest/log_reader.h"

#include <algorithm>
#include <utility>

namespace prerank::ingest {
namespace {

bool same_shape(const duckdb::ColumnShape& a, const duckdb::ColumnShape& b) {
  if (a.type != b.type) return false;
  return a.child == nullptr || same_shape(*a.child, *b.child);
}

}  // namespace

Result<std::unique_ptr<LogReader>> LogReader::open(const LogSource& source, size_t columns, uint64_t memory_bytes) {
  std::unique_ptr<LogReader> reader(new LogReader(source, columns));
  // One thread: each connection's query then runs on the thread that fetches its rows.
  PRERANK_ASSIGN_OR_RETURN(
      reader->database_,
      duckdb::Database::open(source.library, {{"threads", "1"}, {"memory_limit", std::to_string(memory_bytes) + "B"}}));
  PRERANK_ASSIGN_OR_RETURN(const auto connection, reader->connect());
  for (const std::string& sql : source.setup) PRERANK_RETURN_IF_ERROR(connection->run(sql));
  return reader;
}

Result<std::shared_ptr<duckdb::Connection>> LogReader::connect() {
  PRERANK_ASSIGN_OR_RETURN(auto connection, duckdb::Connection::open(database_));
  const std::lock_guard lock(mutex_);
  connections_.push_back(connection);
  return connection;
}

void LogReader::interrupt() {
  const std::lock_guard lock(mutex_);
  for (const auto& entry : connections_) {
    if (const auto connection = entry.lock()) connection->interrupt();
  }
}

Status LogReader::check_columns(const duckdb::Stream& stream) {
  const auto& shapes = stream.shapes();
  const std::lock_guard lock(mutex_);
  if (!shapes_) {
    if (shapes.size() < columns_) {
      return {Code::kInvalidArgument, "the query has " + std::to_string(shapes.size()) + " columns, not the " +
                                          std::to_string(columns_) + " that are read from it"};
    }
    shapes_ = shapes;
    return {};
  }
  if (shapes.size() != shapes_->size()) {
    return {Code::kInvalidArgument, "the query has " + std::to_string(shapes.size()) + " columns, another one " +
                                        std::to_string(shapes_->size())};
  }
  for (size_t i = 0; i < shapes.size(); ++i) {
    if (same_shape(shapes[i], (*shapes_)[i])) continue;
    return {Code::kInvalidArgument, "column " + stream.names()[i] + " has another type than in another query"};
  }
  return {};
}

Result<std::vector<RowSlice>> PartReader::read_head() {
  std::vector<RowSlice> head;
  uint64_t missing = part_->head_rows;
  while (missing > 0) {
    PRERANK_ASSIGN_OR_RETURN(std::optional<RowSlice> slice, next());
    if (!slice) return changed();
    const size_t taken = std::min<uint64_t>(missing, slice->rows());
    missing -= taken;
    RowSlice rest = *slice;
    slice->to = slice->from + taken;
    head.push_back(*slice);
    rest.from += taken;
    rows_ -= rest.rows();
    if (rest.rows() > 0) pending_ = std::move(rest);
  }
  return head;
}

Result<std::optional<RowSlice>> PartReader::next() {
  if (pending_.rows() > 0) {
    rows_ += pending_.rows();
    return std::optional(std::exchange(pending_, {}));
  }
  for (; query_ < part_->queries.size(); ++query_) {
    const LogQuery& query = part_->queries[query_];
    if (stream_ == nullptr) {
      auto stream = connection_->stream(query.sql);
      if (!stream.ok()) return add_origin(stream.status());
      stream_ = std::move(stream).value();
      PRERANK_RETURN_IF_ERROR(log_->check_columns(*stream_));
    }
    auto chunk = stream_->next();
    if (!chunk.ok()) return add_origin(chunk.status());
    if (chunk.value() != nullptr) {
      const size_t rows = chunk.value()->rows();
      rows_ += rows;
      return std::optional(RowSlice{std::move(chunk).value(), 0, rows, query.origin});
    }
    stream_.reset();
  }
  return std::optional<RowSlice>();
}

Status PartReader::check_end() {
  PRERANK_ASSIGN_OR_RETURN(const std::optional<RowSlice> more, next());
  return more || rows_ != part_->rows ? changed() : Status();
}

Status PartReader::changed() const {
  const std::string& origin = part_->queries.empty() ? std::string() : part_->queries.front().origin;
  return {Code::kDatasetChanged, (origin.empty() ? "the log" : origin) + " changed while it was read: " +
                                     std::to_string(rows_) + " rows where there were " + std::to_string(part_->rows)};
}

// DuckDB does not always name the file.
Status PartReader::add_origin(const Status& status) const {
  const std::string& origin = part_->queries[query_].origin;
  if (origin.empty() || status.message().find(origin) != std::string::npos) return status;
  return {status.code(), origin + ": " + status.message()};
}

}  // namespace prerank::ingest
