// Zeroed memory for numbers: aligned to cache lines, and to huge pages when it is large.
#pragma once

#include <cstddef>
#include <span>

#include "base/huge_page_pool.h"
#include "prerank/status.h"

namespace prerank {

// At least aligned to cache lines. From 2 MiB on it is mapped at a huge-page boundary and advised to use huge pages
// (tables are read at random: fewer TLB misses). Move-only; empty after a move.
class AlignedBuffer {
 public:
  static constexpr size_t kPooled = size_t{16} << 10;

  // kOutOfMemory when the system refuses, or has less memory. Zero bytes give an empty buffer.
  static Result<AlignedBuffer> allocate(size_t bytes);
  // As allocate, for memory that every step uses: from 16 KiB on it shares huge pages with others.
  static Result<AlignedBuffer> pooled(size_t bytes);
  // As pooled, for memory of which only a part will be used: it may be larger than the machine's.
  static Result<AlignedBuffer> reserved(size_t bytes);
  // As pooled, for `count` floats; kOutOfMemory also when the size overflows.
  static Result<AlignedBuffer> floats(size_t count);

  AlignedBuffer() = default;
  AlignedBuffer(AlignedBuffer&& other) noexcept;
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept;
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  ~AlignedBuffer();

  size_t bytes() const { return bytes_; }
  void* data() const { return data_; }
  // The whole buffer as elements of T.
  template <class T>
  std::span<T> as() const {
    return {static_cast<T*>(data_), bytes_ / sizeof(T)};
  }

 private:
  void release();

  void* data_ = nullptr;
  size_t bytes_ = 0;
  size_t mapped_ = 0;    // bytes of a mapping of its own
  bool pooled_ = false;  // in a page of the pool; otherwise, and without a mapping, on the heap
};

}  // namespace prerank
