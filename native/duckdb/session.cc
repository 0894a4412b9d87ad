#include "duckdb/session.h"

#include <optional>
#include <string_view>

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

class FetchedChunk final : public ingest::Chunk {
 public:
  FetchedChunk(const Library& api, ChunkHandle handle) : api_(api), handle_(handle) {}
  ~FetchedChunk() override { api_.destroy_data_chunk(&handle_); }
  FetchedChunk(const FetchedChunk&) = delete;
  FetchedChunk& operator=(const FetchedChunk&) = delete;

  void map(const std::vector<ColumnShape>& shapes) {
    rows_ = api_.data_chunk_get_size(handle_);
    columns_.reserve(shapes.size());
    for (size_t i = 0; i < shapes.size(); ++i) {
      columns_.push_back(view_of(api_, api_.data_chunk_get_vector(handle_, i), shapes[i], rows_));
    }
  }

 private:
  const Library& api_;
  ChunkHandle handle_;
};

class Statement {
 public:
  explicit Statement(const Library& api) : api_(api) {}
  ~Statement() {
    api_.destroy_pending(&pending);
    api_.destroy_prepare(&prepared);
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  StatementHandle prepared = nullptr;
  PendingHandle pending = nullptr;

 private:
  const Library& api_;
};

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
  return std::shared_ptr<Database>(new Database(*api, handle));
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

Result<std::unique_ptr<Stream>> Connection::stream(const std::string& sql) {
  Statement statement(api());
  if (api().prepare(handle_, sql.c_str(), &statement.prepared) != kSuccess) {
    return error_status(api().prepare_error(statement.prepared));
  }
  if (api().pending_prepared_streaming(statement.prepared, &statement.pending) != kSuccess) {
    return error_status(api().pending_error(statement.pending));
  }
  ResultData result = {};
  if (api().execute_pending(statement.pending, &result) != kSuccess) {
    Status status = error_status(api().result_error(&result));
    api().destroy_result(&result);
    return status;
  }
  std::unique_ptr<Stream> stream(new Stream(shared_from_this(), result));
  PRERANK_RETURN_IF_ERROR(stream->read_columns());
  return stream;
}

Stream::~Stream() { connection_->api().destroy_result(&result_); }

Status Stream::read_columns() {
  const Library& api = connection_->api();
  const uint64_t count = api.column_count(&result_);
  for (uint64_t i = 0; i < count; ++i) {
    const char* const name = api.column_name(&result_, i);
    names_.emplace_back(name != nullptr ? name : "");
    const LogicalType type(api, api.column_logical_type(&result_, i));
    PRERANK_ASSIGN_OR_RETURN(ColumnShape shape, shape_of(api, type, names_.back()));
    shapes_.push_back(std::move(shape));
  }
  return {};
}

Result<std::shared_ptr<const ingest::Chunk>> Stream::next() {
  const Library& api = connection_->api();
  for (;;) {
    const ChunkHandle handle = api.fetch_chunk(result_);
    if (handle == nullptr) {
      const char* const error = api.result_error(&result_);
      if (error != nullptr && *error != '\0') return error_status(error);
      return std::shared_ptr<const ingest::Chunk>();
    }
    const auto chunk = std::make_shared<FetchedChunk>(api, handle);
    chunk->map(shapes_);
    if (chunk->rows() > 0) return std::shared_ptr<const ingest::Chunk>(chunk);
  }
}

}  // namespace prerank::duckdb
