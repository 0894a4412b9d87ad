#include "base/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

namespace prerank {
namespace {

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

Status refused(size_t bytes) {
  return {Code::kOutOfMemory, "could not allocate " + std::to_string(bytes) + " bytes"};
}

// A zeroed mapping of `bytes` (a multiple of the huge page) that starts at a huge-page boundary, or null.
void* map_aligned(size_t bytes) {
  const size_t wide = bytes + AlignedBuffer::kHugePage;
  void* mapping = mmap(nullptr, wide, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  const auto start = reinterpret_cast<uintptr_t>(mapping);
  const uintptr_t aligned = round_up(start, AlignedBuffer::kHugePage);
  const size_t before = aligned - start;
  const size_t after = wide - before - bytes;
  if (before > 0) munmap(mapping, before);
  if (after > 0) munmap(reinterpret_cast<void*>(aligned + bytes), after);
  void* result = reinterpret_cast<void*>(aligned);
  // Advice: a system without huge pages serves small ones.
  madvise(result, bytes, MADV_HUGEPAGE);
  return result;
}

}  // namespace

Result<AlignedBuffer> AlignedBuffer::allocate(size_t bytes) {
  AlignedBuffer buffer;
  if (bytes == 0) return buffer;
  if (bytes > std::numeric_limits<size_t>::max() / 2) return refused(bytes);
  if (bytes >= kHugePage) {
    const size_t mapped = round_up(bytes, kHugePage);
    buffer.data_ = map_aligned(mapped);
    buffer.mapped_ = mapped;
  } else {
    const size_t rounded = round_up(bytes, kAlignment);
    buffer.data_ = std::aligned_alloc(kAlignment, rounded);
    if (buffer.data_ != nullptr) std::memset(buffer.data_, 0, rounded);
  }
  if (buffer.data_ == nullptr) return refused(bytes);
  buffer.bytes_ = bytes;
  return buffer;
}

Result<AlignedBuffer> AlignedBuffer::floats(size_t count) {
  if (count > std::numeric_limits<size_t>::max() / sizeof(float)) {
    return Status(Code::kOutOfMemory, "could not allocate " + std::to_string(count) + " floats");
  }
  return allocate(count * sizeof(float));
}

AlignedBuffer::AlignedBuffer(AlignedBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      mapped_(std::exchange(other.mapped_, 0)) {}

AlignedBuffer& AlignedBuffer::operator=(AlignedBuffer&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    mapped_ = std::exchange(other.mapped_, 0);
  }
  return *this;
}

AlignedBuffer::~AlignedBuffer() { release(); }

void AlignedBuffer::release() {
  if (data_ == nullptr) return;
  if (mapped_ > 0) {
    munmap(data_, mapped_);
  } else {
    std::free(data_);
  }
  data_ = nullptr;
}

}  // namespace prerank
