// DuckDB's C API, taken from its shared library at run time: DuckDB ships no header, and the addon must load without it.
#pragma once

#include <cstdint>
#include <string>

#include "prerank/status.h"

struct ArrowArrayStream;  // arrow/c_data.h

namespace prerank::duckdb {

using DatabaseHandle = struct DatabaseTag*;
using ConnectionHandle = struct ConnectionTag*;
using ConfigHandle = struct ConfigTag*;
using StatementHandle = struct StatementTag*;
using ChunkHandle = struct ChunkTag*;
using VectorHandle = struct VectorTag*;
using TypeHandle = struct TypeTag*;
using FunctionHandle = struct FunctionTag*;
using CallHandle = struct CallTag*;
using ScalarFunction = void (*)(CallHandle, ChunkHandle, VectorHandle result);

// duckdb_result, passed by value in places: its size counts.
struct ResultData {
  uint64_t column_count;
  uint64_t row_count;
  uint64_t rows_changed;
  void* columns;
  char* error;
  void* internal;
};

// duckdb_state.
inline constexpr int kSuccess = 0;

// The values of duckdb_type that have a place in VectorView, or that stand for a type of their own.
enum class TypeId : int {
  kBoolean = 1,
  kTinyint = 2,
  kSmallint = 3,
  kInteger = 4,
  kBigint = 5,
  kUtinyint = 6,
  kUsmallint = 7,
  kUinteger = 8,
  kUbigint = 9,
  kFloat = 10,
  kDouble = 11,
  kVarchar = 17,
  kList = 24,
};

// DUCKDB_TYPE_ANY: parameters of any type.
inline constexpr int kAnyType = 34;

// F(return type, name without "duckdb_", parameters)
#define PRERANK_DUCKDB_FUNCTIONS(F)                                                 \
  F(const char*, library_version, (void))                                           \
  F(int, create_config, (ConfigHandle*))                                            \
  F(int, set_config, (ConfigHandle, const char* name, const char* value))           \
  F(void, destroy_config, (ConfigHandle*))                                          \
  F(int, open_ext, (const char* path, DatabaseHandle*, ConfigHandle, char** error)) \
  F(void, close, (DatabaseHandle*))                                                 \
  F(int, connect, (DatabaseHandle, ConnectionHandle*))                              \
  F(void, interrupt, (ConnectionHandle))                                            \
  F(void, disconnect, (ConnectionHandle*))                                          \
  F(int, query, (ConnectionHandle, const char* sql, ResultData*))                   \
  F(int, prepare, (ConnectionHandle, const char* sql, StatementHandle*))            \
  F(const char*, prepare_error, (StatementHandle))                                  \
  F(void, destroy_prepare, (StatementHandle*))                                      \
  F(const char*, result_error, (ResultData*))                                       \
  F(void, destroy_result, (ResultData*))                                            \
  F(uint64_t, prepared_statement_column_count, (StatementHandle))                   \
  F(const char*, prepared_statement_column_name, (StatementHandle, uint64_t))       \
  F(TypeHandle, prepared_statement_column_logical_type, (StatementHandle, uint64_t)) \
  F(TypeHandle, create_logical_type, (int type))                                    \
  F(int, get_type_id, (TypeHandle))                                                 \
  F(TypeHandle, list_type_child_type, (TypeHandle))                                 \
  F(void, destroy_logical_type, (TypeHandle*))                                      \
  F(uint64_t, data_chunk_get_size, (ChunkHandle))                                   \
  F(VectorHandle, data_chunk_get_vector, (ChunkHandle, uint64_t column))            \
  F(void*, vector_get_data, (VectorHandle))                                         \
  F(uint64_t*, vector_get_validity, (VectorHandle))                                 \
  F(VectorHandle, list_vector_get_child, (VectorHandle))                            \
  F(uint64_t, list_vector_get_size, (VectorHandle))                                 \
  F(FunctionHandle, create_scalar_function, (void))                                 \
  F(void, destroy_scalar_function, (FunctionHandle*))                               \
  F(void, scalar_function_set_name, (FunctionHandle, const char* name))             \
  F(void, scalar_function_set_varargs, (FunctionHandle, TypeHandle))                \
  F(void, scalar_function_set_special_handling, (FunctionHandle))                   \
  F(void, scalar_function_set_volatile, (FunctionHandle))                           \
  F(void, scalar_function_set_return_type, (FunctionHandle, TypeHandle))            \
  F(void, scalar_function_set_function, (FunctionHandle, ScalarFunction))           \
  F(void, scalar_function_set_error, (CallHandle, const char* message))             \
  F(int, register_scalar_function, (ConnectionHandle, FunctionHandle))              \
  F(int, arrow_scan, (ConnectionHandle, const char* view, ArrowArrayStream*))       \
  F(void, free, (void*))

// The functions of one library.
struct Library {
#define PRERANK_DUCKDB_MEMBER(type, name, parameters) type(*name) parameters = nullptr;
  PRERANK_DUCKDB_FUNCTIONS(PRERANK_DUCKDB_MEMBER)
#undef PRERANK_DUCKDB_MEMBER
};

// Opens the library once for each path and keeps it for the process. Any thread. kNotFound without the file,
// kUnsupported when it cannot be loaded or lacks a function.
Result<const Library*> load_library(const std::string& path);

}  // namespace prerank::duckdb
