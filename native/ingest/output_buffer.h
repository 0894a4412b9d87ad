// Growable column memory of the open batch: aligned, contents kept when it grows, capacity kept from batch to batch.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "base/aligned_buffer.h"
#include "prerank/status.h"

namespace prerank::ingest {

template <class T>
class OutputBuffer {
 public:
  size_t size() const { return size_; }
  const T* data() const { return data_; }
  size_t bytes() const { return size_ * sizeof(T); }
  void clear() { size_ = 0; }

  // Room for `count` elements behind the present ones: where they begin. They count after extend().
  Result<T*> reserve(size_t count) {
    if (size_ + count > capacity_) {
      const size_t wanted = std::max({size_ + count, capacity_ + capacity_ / 2, kLeast});
      auto memory = AlignedBuffer::allocate(wanted * sizeof(T));
      if (!memory.ok()) return memory.status();
      if (size_ > 0) std::memcpy(memory.value().data(), data_, size_ * sizeof(T));
      memory_ = std::move(memory).value();
      data_ = memory_.as<T>().data();
      capacity_ = wanted;
    }
    return data_ + size_;
  }
  void extend(size_t count) { size_ += count; }

  // Of the elements written behind the present ones, keeps those at `positions` (ascending).
  void extend_by(std::span<const uint32_t> positions) {
    T* const to = data_ + size_;
    for (size_t i = 0; i < positions.size(); ++i) to[i] = to[positions[i]];
    size_ += positions.size();
  }

 private:
  static constexpr size_t kLeast = 4096;

  AlignedBuffer memory_;
  T* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace prerank::ingest
