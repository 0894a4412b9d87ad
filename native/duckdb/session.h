// Databases in memory, connections, and queries whose rows come as chunks while DuckDB works.
#pragma once

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

 private:
  Database(const Library& api, DatabaseHandle handle) : api_(api), handle_(handle) {}
  const Library& api_;
  DatabaseHandle handle_;
};

class Stream;

// One thread at a time, except for interrupt(). Queries of several connections run in parallel, each on its caller's
// thread, when the database has one thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  static Result<std::shared_ptr<Connection>> open(std::shared_ptr<Database> database);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Runs a statement to its end.
  Status run(const std::string& sql);
  // Starts a query whose rows are fetched in order. kUnsupported for columns that VectorView cannot show. A connection
  // has one stream at a time: another statement ends it.
  Result<std::unique_ptr<Stream>> stream(const std::string& sql);
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

// The type of a column; `child` of a list.
struct ColumnShape {
  ingest::Physical type = ingest::Physical::kInt64;
  std::shared_ptr<const ColumnShape> child = {};
};

// The rows of a query. Keeps its connection alive; chunks live on without it.
class Stream {
 public:
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  const std::vector<std::string>& names() const { return names_; }
  const std::vector<ColumnShape>& shapes() const { return shapes_; }

  // The next chunk, never an empty one; nullptr after the last.
  Result<std::shared_ptr<const ingest::Chunk>> next();

 private:
  friend class Connection;
  Stream(std::shared_ptr<Connection> connection, const ResultData& result)
      : connection_(std::move(connection)), result_(result) {}
  Status read_columns();

  std::shared_ptr<Connection> connection_;
  ResultData result_;
  std::vector<std::string> names_;
  std::vector<ColumnShape> shapes_;
};

}  // namespace prerank::duckdb
