// Reads of a mapped file that became shorter raise SIGBUS. This guard turns them into zeros and a mark on the mapping:
// whoever read (the loader, or JavaScript through an ArrayBuffer) goes on and finds the mark afterwards.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "prerank/status.h"

namespace prerank {

// A mapping under guard, from construction to destruction. The SIGBUS handler is installed with the first one and
// passes every fault outside guarded mappings on to the handler that was there before. On a fault inside, the pages
// from the fault to the end of the mapping are replaced with zero pages.
class FaultGuard {
 public:
  FaultGuard() = default;
  FaultGuard(FaultGuard&& other) noexcept;
  FaultGuard& operator=(FaultGuard&& other) noexcept;
  FaultGuard(const FaultGuard&) = delete;
  FaultGuard& operator=(const FaultGuard&) = delete;
  ~FaultGuard();

  // Guards [begin, begin + length), a mapping of the open file `fd` from offset 0. begin is page-aligned; the mapping
  // and the descriptor must outlive the guard. kUnsupported beyond 65 536 mappings.
  static Result<FaultGuard> protect(const void* begin, size_t length, int fd, const std::string& path);

 private:
  FaultGuard(size_t slot, std::unique_ptr<const std::string> path);
  void release();

  static constexpr size_t kNone = static_cast<size_t>(-1);

  size_t slot_ = kNone;
  std::unique_ptr<const std::string> path_;  // for messages; the slot points to it
};

// The guarded mappings that a reader depends on. They must stay mapped as long as this object is used.
class SourceWatch {
 public:
  // Adds the mapping that `address` lies in, if it is a guarded one.
  void add(const void* address);
  // kDatasetChanged when one of the files is now shorter than its mapping, or was when it was read. To be called after
  // reading and before the values are trusted.
  Status check() const;

 private:
  std::vector<size_t> slots_;
};

}  // namespace prerank
