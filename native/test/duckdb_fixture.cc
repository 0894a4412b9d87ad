#include "duckdb_fixture.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <system_error>

namespace prerank::test {
namespace {

// The package of this platform above the working directory, or above this source file.
std::string find_library(std::filesystem::path folder) {
  for (;; folder = folder.parent_path()) {
    const auto packages = folder / "node_modules" / "@duckdb";
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(packages, error)) {
      const auto library = entry.path() / "libduckdb.so";
      if (std::filesystem::exists(library, error)) return library.string();
    }
    if (folder == folder.parent_path()) return {};
  }
}

}  // namespace

std::string duckdb_library() {
  if (const char* const given = getenv("PRERANK_DUCKDB_LIBRARY"); given != nullptr) return given;
  std::string path = find_library(std::filesystem::current_path());
  if (path.empty()) path = find_library(std::filesystem::absolute(__FILE__).parent_path());
  return path.empty() ? "libduckdb.so" : path;
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "prerank-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) ADD_FAILURE() << name << " cannot be made";
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

}  // namespace prerank::test
