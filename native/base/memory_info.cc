#include "base/memory_info.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace prerank {
namespace {

// A control group's limit; nothing, or the word "max", is none.
size_t limit_in(const char* path, size_t otherwise) {
  std::ifstream file(path);
  size_t bytes = 0;
  return file >> bytes ? std::min(bytes, otherwise) : otherwise;
}

}  // namespace

size_t usable_memory() {
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page <= 0) return 0;
  const size_t physical = static_cast<size_t>(pages) * static_cast<size_t>(page);
  const size_t unified = limit_in("/sys/fs/cgroup/memory.max", physical);
  return limit_in("/sys/fs/cgroup/memory/memory.limit_in_bytes", unified);
}

}  // namespace prerank
