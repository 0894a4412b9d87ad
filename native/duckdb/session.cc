#include "duckdb/session.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

namespace prerank::duckdb {
namespace {

using ingest::Physical;
using ingest::VectorView;

std::optional<Physical> physical_of(TypeId type) {
  switch (type) {
    case TypeId::kBoolean: return Physical::kBool;
    case TypeId::kTinyint: return Physical::kInt8;
    case TypeId::kSmallint: return Physical::kInt16;
    case TypeId::kInteger: return Physical::kInt32;
    case TypeId::kBigint: return Physical::kInt64;
    case TypeId::kUtinyint: return Physical::kUint8;
    case TypeId::kUsmallint: return Physical::kUint16;
    case TypeId::kUinteger: return Physical::kUint32;
    case TypeId::kUbigint: return Physical::kUint64;
    case TypeId::kFloat: return Physical::kFloat;
    case TypeId::kDouble: return Physical::kDouble;
    case TypeId::kVarchar: return Physical::kString;
    case TypeId::kList: return Physical::kList;
  }
  return std::nullopt;
}

// Names of the types that have no place in VectorView, by their number in duckdb_type.
std::string type_name(int type) {
  switch (type) {
    case 12: return "TIMESTAMP";
    case 13: return "DATE";
    case 14: return "TIME";
    case 15: return "INTERVAL";
    case 16: return "HUGEINT";
    case 18: return "BLOB";
    case 19: return "DECIMAL";
    case 20: return "TIMESTAMP_S";
    case 21: return "TIMESTAMP_MS";
    case 22: return "TIMESTAMP_NS";
    case 23: return "ENUM";
    case 25: return "STRUCT";
    case 26: return "MAP";
    case 27: return "UUID";
    case 28: return "UNION";
    case 29: return "BIT";
    case 30: return "TIME WITH TIME ZONE";
    case 31: return "TIMESTAMP WITH TIME ZONE";
    case 32: return "UHUGEINT";
    case 33: return "ARRAY";
    case 36: return "NULL";
    default: return "number " + std::to_string(type);
  }
}

class LogicalType {
 public:
  LogicalType(const Library& api, TypeHandle handle) : api_(api), handle_(handle) {}
  ~LogicalType() { api_.destroy_logical_type(&handle_); }
  LogicalType(const LogicalType&) = delete;
  LogicalType& operator=(const LogicalType&) = delete;
  TypeHandle get() const { return handle_; }

 private:
  const Library& api_;
  TypeHandle handle_;
};

Result<ColumnShape> shape_of(const Library& api, const LogicalType& type, const std::string& column) {
  const int id = api.get_type_id(type.get());
  const std::optional<Physical> physical = physical_of(static_cast<TypeId>(id));
  if (!physical) {
    return Status(Code::kUnsupported, "column " + column + " has the type " + type_name(id) +
                                          "; cast it to a number, a string or a list of them");
  }
  ColumnShape shape{*physical};
  if (*physical == Physical::kList) {
    const LogicalType child(api, api.list_type_child_type(type.get()));
    PRERANK_ASSIGN_OR_RETURN(ColumnShape of_child, shape_of(api, child, column));
    shape.child = std::make_shared<const ColumnShape>(std::move(of_child));
  }
  return shape;
}

VectorView view_of(const Library& api, VectorHandle vector, const ColumnShape& shape, size_t size) {
  VectorView view{shape.type, api.vector_get_data(vector), api.vector_get_validity(vector), {}, size};
  if (shape.child != nullptr) {
    view.child = std::make_shared<const VectorView>(
        view_of(api, api.list_vector_get_child(vector), *shape.child, api.list_vector_get_size(vector)));
  }
  return view;
}

// The chunk that a query shows now.
class ShownChunk final : public ingest::Chunk {
 public:
  void map(const Library& api, ChunkHandle handle, const std::vector<ColumnShape>& shapes) {
    rows_ = api.data_chunk_get_size(handle);
    columns_.clear();
    for (size_t i = 0; i < shapes.size(); ++i) {
      columns_.push_back(view_of(api, api.data_chunk_get_vector(handle, i), shapes[i], rows_));
    }
  }
};

class Statement {
 public:
  explicit Statement(const Library& api) : api_(api) {}
  ~Statement() { api_.destroy_prepare(&handle); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  StatementHandle handle = nullptr;

 private:
  const Library& api_;
};

// Nothing may be thrown through DuckDB.
Status guarded(const ChunkVisitor& visitor, const std::shared_ptr<const ingest::Chunk>& chunk) noexcept {
  try {
    return visitor(chunk);
  } catch (const std::bad_alloc&) {
    return {Code::kOutOfMemory, "out of memory"};
  } catch (const std::exception& error) {
    return {Code::kInternal, error.what()};
  }
}

struct Visit {
  const Library& api;
  const std::vector<ColumnShape>& shapes;
  const ChunkVisitor& visitor;
  std::shared_ptr<ShownChunk> chunk = std::make_shared<ShownChunk>();
  Status status = {};
};

// The query that runs on this thread.
thread_local Visit* visit_now = nullptr;

// Body of the SQL function that the rows are arguments of.
void show(CallHandle call, ChunkHandle handle, VectorHandle result) {
  Visit& visit = *visit_now;
  visit.chunk->map(visit.api, handle, visit.shapes);
  const size_t rows = visit.chunk->rows();
  if (rows > 0 && visit.status.ok()) visit.status = guarded(visit.visitor, visit.chunk);
  if (!visit.status.ok()) visit.api.scalar_function_set_error(call, "stopped");
  std::memset(visit.api.vector_get_data(result), 0, rows);
}

constexpr const char* kShow = "prerank_show";

Status register_show(const Library& api, DatabaseHandle database) {
  ConnectionHandle connection = nullptr;
  if (api.connect(database, &connection) != kSuccess) {
    return {Code::kOutOfMemory, "DuckDB: no memory for a connection"};
  }
  const LogicalType any(api, api.create_logical_type(kAnyType));
  const LogicalType boolean(api, api.create_logical_type(static_cast<int>(TypeId::kBoolean)));
  FunctionHandle function = api.create_scalar_function();
  api.scalar_function_set_name(function, kShow);
  api.scalar_function_set_varargs(function, any.get());
  api.scalar_function_set_special_handling(function);  // called for nulls too
  api.scalar_function_set_volatile(function);          // and for every row
  api.scalar_function_set_return_type(function, boolean.get());
  api.scalar_function_set_function(function, show);
  const int state = api.register_scalar_function(connection, function);
  api.destroy_scalar_function(&function);
  api.disconnect(&connection);
  return state == kSuccess ? Status() : Status(Code::kInternal, "DuckDB takes no functions");
}

// The query as one row, with every row an argument of the function on the way.
std::string showing(const std::string& sql, size_t columns) {
  std::string names;
  for (size_t i = 0; i < columns; ++i) names += (i == 0 ? "c" : ", c") + std::to_string(i);
  return std::string("SELECT bool_or(") + kShow + "(" + names + ")) FROM (" + sql + ") AS shown(" + names + ")";
}

}  // namespace

Status error_status(const char* message) {
  if (message == nullptr || *message == '\0') return {Code::kInternal, "DuckDB failed without saying why"};
  std::string_view line(message);
  line = line.substr(0, line.find('\n'));
  Code code = Code::kInvalidArgument;
  if (line.starts_with("Out of Memory")) code = Code::kOutOfMemory;
  if (line.starts_with("IO Error")) code = Code::kIoError;
  if (line.starts_with("INTERRUPT")) code = Code::kCancelled;
  if (line.starts_with("Not implemented")) code = Code::kUnsupported;
  return {code, std::string(line)};
}

Result<std::shared_ptr<Database>> Database::open(const std::string& library, const Settings& settings) {
  PRERANK_ASSIGN_OR_RETURN(const Library* const api, load_library(library));
  ConfigHandle config = nullptr;
  if (api->create_config(&config) != kSuccess) return Status(Code::kOutOfMemory, "DuckDB: no memory for a database");
  for (const auto& [name, value] : settings) {
    if (api->set_config(config, name.c_str(), value.c_str()) == kSuccess) continue;
    api->destroy_config(&config);
    return Status(Code::kInvalidArgument, "DuckDB has no setting " + name + " = " + value);
  }
  DatabaseHandle handle = nullptr;
  char* error = nullptr;
  const int state = api->open_ext(nullptr, &handle, config, &error);
  api->destroy_config(&config);
  if (state != kSuccess) {
    Status status = error_status(error);
    if (error != nullptr) api->free(error);
    return status;
  }
  const bool one_thread = std::ranges::find(settings, std::pair<std::string, std::string>("threads", "1")) != settings.end();
  std::shared_ptr<Database> database(new Database(*api, handle, one_thread));
  PRERANK_RETURN_IF_ERROR(register_show(*api, handle));
  return database;
}

Database::~Database() { api_.close(&handle_); }

Result<std::shared_ptr<Connection>> Connection::open(std::shared_ptr<Database> database) {
  ConnectionHandle handle = nullptr;
  if (database->api().connect(database->handle(), &handle) != kSuccess) {
    return Status(Code::kOutOfMemory, "DuckDB: no memory for a connection");
  }
  return std::shared_ptr<Connection>(new Connection(std::move(database), handle));
}

Connection::~Connection() { api().disconnect(&handle_); }

void Connection::interrupt() { api().interrupt(handle_); }

Status Connection::run(const std::string& sql) {
  ResultData result = {};
  const int state = api().query(handle_, sql.c_str(), &result);
  Status status = state == kSuccess ? Status() : error_status(api().result_error(&result));
  api().destroy_result(&result);
  return status;
}

Result<QueryColumns> Connection::describe(const std::string& sql) {
  Statement statement(api());
  if (api().prepare(handle_, sql.c_str(), &statement.handle) != kSuccess) {
    return error_status(api().prepare_error(statement.handle));
  }
  QueryColumns columns;
  const uint64_t count = api().prepared_statement_column_count(statement.handle);
  for (uint64_t i = 0; i < count; ++i) {
    const char* const name = api().prepared_statement_column_name(statement.handle, i);
    columns.names.emplace_back(name != nullptr ? name : "");
    if (name != nullptr) api().free(const_cast<char*>(name));
    const LogicalType type(api(), api().prepared_statement_column_logical_type(statement.handle, i));
    PRERANK_ASSIGN_OR_RETURN(ColumnShape shape, shape_of(api(), type, columns.names.back()));
    columns.shapes.push_back(std::move(shape));
  }
  return columns;
}

Status Connection::visit(const std::string& sql, const QueryColumns& columns, const ChunkVisitor& visitor) {
  if (!database_->one_thread()) return {Code::kInvalidArgument, "rows are shown by a database of one thread"};
  Visit visit{api(), columns.shapes, visitor};
  Visit* const outer = std::exchange(visit_now, &visit);
  const Status status = run(showing(sql, columns.shapes.size()));
  visit_now = outer;
  return visit.status.ok() ? status : visit.status;
}

}  // namespace prerank::duckdb
