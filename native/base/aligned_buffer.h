// Zeroed memory for numbers: aligned to cache lines, and to huge pages when it is large.
#pragma once

#include <cstddef>
#include <span>

#include "prerank/status.h"

namespace prerank {

// At least 64-byte aligned. From 2 MiB on it is mapped at a huge-page boundary and advised to use huge pages
// (tables are read at random: fewer TLB misses). Move-only; empty after a move.
class AlignedBuffer {
 public:
  static constexpr size_t kAlignment = 64;
  static constexpr size_t kHugePage = size_t{2} << 20;

  // kOutOfMemory when the system refuses. Zero bytes give an empty buffer.
  static Result<AlignedBuffer> allocate(size_t bytes);
  // As allocate, for `count` floats; kOutOfMemory also when the size overflows.
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
  size_t mapped_ = 0;  // bytes of the mapping, 0 when the memory is the heap's
};

}  // namespace prerank
