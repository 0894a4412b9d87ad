// Middle-sized buffers side by side in huge pages. Alone each would lie in small pages, and what a step reads again and
// again (packed weights, gradient accumulators) would need more of them than a processor keeps translations for.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>

namespace prerank {

inline constexpr size_t kHugePage = size_t{2} << 20;
inline constexpr size_t kCacheLine = 64;

// A page's memory is handed out once, from its start to its end, and returned when nobody uses any of it. All functions
// may be called by any thread.
class HugePagePool {
 public:
  // Of the process. It is never destroyed: buffers may live longer than static objects.
  static HugePagePool& shared();

  // `bytes` (at most kHugePage) zeroed bytes at the start of a cache line, or null when the system refuses.
  void* take(size_t bytes);
  // Ends the use of what take() returned.
  void give(void* data);
  // Pages in use.
  size_t pages() const;

 private:
  mutable std::mutex mutex_;
  std::map<char*, size_t> pieces_;  // in use, by page
  char* open_ = nullptr;            // the page that pieces are cut from
  size_t used_ = 0;                 // bytes of it
};

// `bytes` (a multiple of the huge page) zeroed bytes that start at a huge-page boundary, or null. The system counts only
// those in use: neighbouring mappings become one, and a process with one larger than the memory could not fork.
void* map_huge_pages(size_t bytes);

}  // namespace prerank
