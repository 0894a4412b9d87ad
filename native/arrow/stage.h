// Arrow IPC files and streams, compressed or not, as a Parquet file that DuckDB can scan in parts.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "prerank/status.h"

namespace prerank::arrow {

struct StageSpec {
  std::string library;              // DuckDB's shared library
  std::vector<std::string> setup;   // statements, for example memory limit and temporary directory
  std::vector<std::string> paths;   // Arrow IPC files or streams, told apart by their first bytes
  std::string output;               // Parquet file to write
  std::string file_column;          // VARCHAR: path of the row's file
  std::string row_column;           // BIGINT: row within its file, from 0
  // A quarter is for the decoded values of a record batch, a quarter for dictionaries; the rest is DuckDB's, whose limit
  // `setup` sets.
  uint64_t memory_bytes = uint64_t{2} << 30;
};

// Columns are united by name (absent: null), integers, floating point numbers, decimals and timestamps to the widest
// type; columns of types that no feature or role can use (structs, maps, binary) are left out. Rows keep the order of
// the files. Every length, offset and index of the files is checked before a value is used: kInvalidArgument names the
// file, the record batch and the column or byte. kOutOfMemory, kDatasetChanged and kIoError as elsewhere; the output is
// then useless. Returns the number of rows.
Result<uint64_t> stage_arrow(const StageSpec& spec, const std::function<bool()>& cancelled);

}  // namespace prerank::arrow
