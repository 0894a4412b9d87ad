// DuckDB's library and temporary folders for tests.
#pragma once

#include <string>

namespace prerank::test {

// Path of libduckdb.so among the npm packages; the PRERANK_DUCKDB_LIBRARY variable comes first.
std::string duckdb_library();

// A folder of its own, removed with its content.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace prerank::test
