#include "duckdb/library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <mutex>

namespace prerank::duckdb {
namespace {

Status unsupported(const std::string& path, const std::string& what) {
  return {Code::kUnsupported, path + ": " + what};
}

Result<std::unique_ptr<Library>> open_library(const std::string& path) {
  if (access(path.c_str(), F_OK) != 0) {
    return Status(Code::kNotFound, path + ": DuckDB's library is not there; install the packages of prerank again");
  }
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const reason = dlerror();
    return unsupported(path, std::string("DuckDB's library cannot be loaded: ") + (reason != nullptr ? reason : ""));
  }
  auto library = std::make_unique<Library>();
  const char* missing = nullptr;
  const auto resolve = [&](const char* name, auto& function) {
    void* const symbol = dlsym(handle, name);
    if (symbol == nullptr && missing == nullptr) missing = name;
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(symbol);
  };
#define PRERANK_DUCKDB_RESOLVE(type, name, parameters) resolve("duckdb_" #name, library->name);
  PRERANK_DUCKDB_FUNCTIONS(PRERANK_DUCKDB_RESOLVE)
#undef PRERANK_DUCKDB_RESOLVE
  if (missing == nullptr) return library;
  std::string what = std::string("lacks ") + missing;
  what += library->library_version != nullptr ? std::string(" (DuckDB ") + library->library_version() + ")" : "";
  dlclose(handle);
  return unsupported(path, what + "; prerank needs the C API of DuckDB 1.2 or later");
}

}  // namespace

// A library stays open until the process ends: DuckDB may have threads of its own in it.
Result<const Library*> load_library(const std::string& path) {
  static std::mutex mutex;
  static auto* const libraries = new std::map<std::string, std::unique_ptr<Library>>();
  const std::lock_guard lock(mutex);
  auto& entry = (*libraries)[path];
  if (entry == nullptr) {
    PRERANK_ASSIGN_OR_RETURN(entry, open_library(path));
  }
  return static_cast<const Library*>(entry.get());
}

}  // namespace prerank::duckdb
