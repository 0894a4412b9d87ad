#include "base/huge_page_pool.h"

#include <sys/mman.h>

#include <cstdint>
#include <memory>
#include <utility>

namespace prerank {

void* map_huge_pages(size_t bytes) {
  const size_t wide = bytes + kHugePage;
  void* mapping = mmap(nullptr, wide, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  const auto start = reinterpret_cast<uintptr_t>(mapping);
  const uintptr_t aligned = (start + kHugePage - 1) / kHugePage * kHugePage;
  const size_t before = aligned - start;
  const size_t after = wide - before - bytes;
  if (before > 0) munmap(mapping, before);
  if (after > 0) munmap(reinterpret_cast<void*>(aligned + bytes), after);
  void* result = reinterpret_cast<void*>(aligned);
  // Advice: a system without huge pages serves small ones.
  madvise(result, bytes, MADV_HUGEPAGE);
  return result;
}

HugePagePool& HugePagePool::shared() {
  static HugePagePool& pool = *std::make_unique<HugePagePool>().release();
  return pool;
}

void* HugePagePool::take(size_t bytes) {
  const std::lock_guard lock(mutex_);
  bytes = (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
  if (open_ != nullptr && bytes <= kHugePage - used_) {
    ++pieces_[open_];
    return open_ + std::exchange(used_, used_ + bytes);
  }
  auto* const page = static_cast<char*>(map_huge_pages(kHugePage));
  if (page == nullptr) return nullptr;
  pieces_[page] = 1;
  if (open_ == nullptr || bytes < used_) {
    open_ = page;
    used_ = bytes;
  }
  return page;
}

void HugePagePool::give(void* data) {
  const std::lock_guard lock(mutex_);
  const auto found = --pieces_.upper_bound(static_cast<char*>(data));
  if (--found->second > 0) return;
  char* const page = found->first;
  pieces_.erase(found);
  if (page == open_) open_ = nullptr;
  munmap(page, kHugePage);
}

size_t HugePagePool::pages() const {
  const std::lock_guard lock(mutex_);
  return pieces_.size();
}

}  // namespace prerank
