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

Status LogReader::check_columns(const duckdb::QueryColumns& columns) {
  const auto& shapes = columns.shapes;
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
    return {Code::kInvalidArgument, "column " + columns.names[i] + " has another type than in another query"};
  }
  return {};
}

Result<bool> PartReader::read(const SliceVisitor& visitor) {
  for (const LogQuery& query : part_->queries) {
    auto columns = connection_->describe(query.sql);
    if (!columns.ok()) return add_origin(columns.status(), query.origin);
    PRERANK_RETURN_IF_ERROR(log_->check_columns(columns.value()));
    Status refused;  // what the visitor says is no fault of the file
    bool wanted = true;
    const Status status = connection_->visit(
        query.sql, columns.value(), [&](const std::shared_ptr<const Chunk>& chunk) -> Status {
          rows_ += chunk->rows();
          const Result<bool> goes_on = visitor({chunk, 0, chunk->rows(), query.origin});
          wanted = goes_on.ok() && goes_on.value();
          if (wanted) return {};
          refused = goes_on.ok() ? Status() : goes_on.status();
          return {Code::kCancelled, "not wanted"};
        });
    PRERANK_RETURN_IF_ERROR(refused);
    if (!wanted) return false;
    if (!status.ok()) return add_origin(status, query.origin);
  }
  return true;
}

Status PartReader::check_rows() const { return rows_ == part_->rows ? Status() : changed(); }

Status PartReader::changed() const {
  const std::string& origin = part_->queries.empty() ? std::string() : part_->queries.front().origin;
  return {Code::kDatasetChanged, (origin.empty() ? "the log" : origin) + " changed while it was read: " +
                                     std::to_string(rows_) + " rows where there were " + std::to_string(part_->rows)};
}

// DuckDB does not always name the file.
Status PartReader::add_origin(const Status& status, const std::string& origin) const {
  if (origin.empty() || status.message().find(origin) != std::string::npos) return status;
  return {status.code(), origin + ": " + status.message()};
}

}  // namespace prerank::ingest
