// Small logs in Parquet files, cut into parts, for the tests of the ingest.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "duckdb/session.h"
#include "duckdb_fixture.h"
#include "prerank/ingest.h"

namespace prerank::test {

// A folder with Parquet files.
class LogFolder {
 public:
  LogFolder();

  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }
  // Writes the rows of a query, in row groups of 2048 rows.
  void write(const std::string& name, const std::string& query);
  // A new folder inside.
  std::string make_folder(const std::string& name);

  // The rows of a file, in order, cut at the given rows, which ascend; `columns` follow the row number.
  LogSource source(const std::string& name, const std::string& columns, const std::vector<uint64_t>& cuts,
                   uint64_t rows) const;

 private:
  TemporaryFolder folder_;
  std::shared_ptr<duckdb::Connection> connection_;
};

// A query of rows [from, to) of a Parquet file.
LogQuery parquet_rows(const std::string& path, const std::string& columns, uint64_t from, uint64_t to);

// Open descriptors and threads of this process: the same after a run as before.
struct ProcessUse {
  size_t descriptors = 0;
  size_t threads = 0;
  static ProcessUse now();
  bool operator==(const ProcessUse&) const = default;
};

}  // namespace prerank::test
