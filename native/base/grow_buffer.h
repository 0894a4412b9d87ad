// Scratch and batch memory that only ever grows: after the first few batches nothing is allocated any more.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "base/aligned_buffer.h"
#include "prerank/status.h"

namespace prerank {

template <class T>
class GrowBuffer {
 public:
  // Room for `count` elements. The contents are lost when it grows.
  Status reserve(size_t count) {
    if (count <= data_.size()) return {};
    // Batches differ a little in how many ids they have: with room to spare the first ones fix the size.
    auto memory = AlignedBuffer::pooled((count + count / 4) * sizeof(T));
    if (!memory.ok()) return memory.status();
    memory_ = std::move(memory).value();
    data_ = memory_.as<T>();
    return {};
  }

  T* data() const { return data_.data(); }
  T& operator[](size_t i) const { return data_[i]; }
  // The first `count` elements, which reserve() made room for.
  std::span<T> first(size_t count) const { return data_.first(count); }

 private:
  AlignedBuffer memory_;
  std::span<T> data_;
};

}  // namespace prerank
