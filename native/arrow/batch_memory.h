// Memory for the decoded values of one record batch or dictionary.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "prerank/status.h"

namespace prerank::arrow {

class BatchMemory {
 public:
  explicit BatchMemory(size_t limit) : limit_(limit) {}

  // Zeroed and 64-byte aligned; lives as long as this object. kOutOfMemory above the limit.
  template <class T = std::byte>
  Result<std::span<T>> allocate(size_t count) {
    if (count > (limit_ - used_) / sizeof(T)) {
      return Status(Code::kOutOfMemory, "its decoded values take more than " + std::to_string(limit_) +
                                            " bytes; write smaller record batches or allow more memory");
    }
    PRERANK_ASSIGN_OR_RETURN(AlignedBuffer buffer, AlignedBuffer::allocate(count * sizeof(T)));
    used_ += buffer.bytes();
    const std::span<T> values = buffer.as<T>();
    buffers_.push_back(std::move(buffer));
    return values.first(count);
  }

  size_t used() const { return used_; }

 private:
  size_t limit_;
  size_t used_ = 0;
  std::vector<AlignedBuffer> buffers_;
};

}  // namespace prerank::arrow
