// Databases in memory, connections, and queries whose rows are shown where DuckDB has them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "duckdb/library.h"
#include "ingest/row_block.h"
#include "prerank/status.h"

namespace prerank::duckdb {

// What DuckDB says as a Status: the first line of its message, kOutOfMemory, kIoError, kCancelled (interrupted) or
// kUnsupported when the message begins like that, kInvalidArgument otherwise.
Status error_status(const char* message);

// A database in memory.
class Database {
 public:
  using Settings = std::vector<std::pair<std::string, std::string>>;  // name, value: {"threads", "1"}
  static Result<std::shared_ptr<Database>> open(const std::string& library, const Settings& settings);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  const Library& api() const { return api_; }
  DatabaseHandle handle() const { return handle_; }
  bool one_thread() const { return one_thread_; }

 private:
  Database(const Library& api, DatabaseHandle handle, bool one_thread)
      : api_(api), handle_(handle), one_thread_(one_thread) {}
  const Library& api_;
  DatabaseHandle handle_;
  bool one_thread_;
};

// The type of a column; `child` of a list.
struct ColumnShape {
  ingest::Physical type = ingest::Physical::kInt64;
  std::shared_ptr<const ColumnShape> child = {};
};

// The columns of a query.
struct QueryColumns {
  std::vector<std::string> names;
  std::vector<ColumnShape> shapes;
};

// Gets the rows of a query chunk by chunk, never an empty one. A chunk's memory is DuckDB's and lasts for the call.
using ChunkVisitor = std::function<Status(const std::shared_ptr<const ingest::Chunk>&)>;

// One thread at a time, except for interrupt(). Queries of several connections run in parallel, each on its caller's
// thread, when the database has one thread.
class Connection {
 public:
  static Result<std::shared_ptr<Connection>> open(std::shared_ptr<Database> database);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Runs a statement to its end.
  Status run(const std::string& sql);
  // What a query gives, without running it. kUnsupported for columns that VectorView cannot show.
  Result<QueryColumns> describe(const std::string& sql);
  // Runs a query (one SELECT of the described columns) and shows its rows in order, on this thread: the database must
  // have one. What is not OK of the visitor ends the query and is returned.
  //
  // DuckDB copies the chunks of a result that is fetched. The rows are therefore arguments of a function, which sees the
  // vectors that the scan has filled.
  Status visit(const std::string& sql, const QueryColumns& columns, const ChunkVisitor& visitor);
  // Ends the statement that runs now with kCancelled. Any thread.
  void interrupt();

  const Library& api() const { return database_->api(); }
  ConnectionHandle handle() const { return handle_; }

 private:
  Connection(std::shared_ptr<Database> database, ConnectionHandle handle)
      : database_(std::move(database)), handle_(handle) {}

  std::shared_ptr<Database> database_;
  ConnectionHandle handle_;
};

}  // namespace prerank::duckdb
