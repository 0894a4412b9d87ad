#include "base/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "base/memory_info.h"

namespace prerank {
namespace {

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

Status refused(size_t bytes) {
  return {Code::kOutOfMemory, "could not allocate " + std::to_string(bytes) + " bytes"};
}

}  // namespace

Result<AlignedBuffer> AlignedBuffer::allocate(size_t bytes) {
  if (bytes >= kHugePage) {
    const size_t memory = usable_memory();
    return memory != 0 && bytes > memory ? refused(bytes) : reserved(bytes);
  }
  AlignedBuffer buffer;
  if (bytes == 0) return buffer;
  const size_t rounded = round_up(bytes, kCacheLine);
  buffer.data_ = std::aligned_alloc(kCacheLine, rounded);
  if (buffer.data_ == nullptr) return refused(bytes);
  std::memset(buffer.data_, 0, rounded);
  buffer.bytes_ = bytes;
  return buffer;
}

Result<AlignedBuffer> AlignedBuffer::pooled(size_t bytes) {
  if (bytes < kPooled || bytes >= kHugePage) return allocate(bytes);
  AlignedBuffer buffer;
  buffer.data_ = HugePagePool::shared().take(bytes);
  if (buffer.data_ == nullptr) return refused(bytes);
  buffer.bytes_ = bytes;
  buffer.pooled_ = true;
  return buffer;
}

Result<AlignedBuffer> AlignedBuffer::reserved(size_t bytes) {
  if (bytes < kHugePage) return pooled(bytes);
  if (bytes > std::numeric_limits<size_t>::max() / 2) return refused(bytes);
  AlignedBuffer buffer;
  const size_t mapped = round_up(bytes, kHugePage);
  buffer.data_ = map_huge_pages(mapped);
  if (buffer.data_ == nullptr) return refused(bytes);
  buffer.bytes_ = bytes;
  buffer.mapped_ = mapped;
  return buffer;
}

Result<AlignedBuffer> AlignedBuffer::floats(size_t count) {
  if (count > std::numeric_limits<size_t>::max() / sizeof(float)) {
    return Status(Code::kOutOfMemory, "could not allocate " + std::to_string(count) + " floats");
  }
  return pooled(count * sizeof(float));
}

AlignedBuffer::AlignedBuffer(AlignedBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      mapped_(std::exchange(other.mapped_, 0)),
      pooled_(std::exchange(other.pooled_, false)) {}

AlignedBuffer& AlignedBuffer::operator=(AlignedBuffer&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    mapped_ = std::exchange(other.mapped_, 0);
    pooled_ = std::exchange(other.pooled_, false);
  }
  return *this;
}

AlignedBuffer::~AlignedBuffer() { release(); }

void AlignedBuffer::release() {
  if (data_ == nullptr) return;
  if (mapped_ > 0) {
    munmap(data_, mapped_);
  } else if (pooled_) {
    HugePagePool::shared().give(data_);
  } else {
    std::free(data_);
  }
  data_ = nullptr;
}

}  // namespace prerank
