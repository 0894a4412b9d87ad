// Memory of the emulated device, page-locked memory of the host, and copies.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "cuda_runtime.h"
#include "device.h"

namespace prerank::emulator {
namespace {

[[noreturn]] void fail(const char* message) {
  std::fprintf(stderr, "emulated device: %s\n", message);
  std::abort();
}

// Whether one of the ranges (address → bytes) holds all of these bytes.
bool contains(const std::map<char*, size_t>& ranges, const void* pointer, size_t bytes) {
  auto* const at = const_cast<char*>(static_cast<const char*>(pointer));
  auto next = ranges.upper_bound(at);
  if (next == ranges.begin()) return false;
  --next;
  return at + bytes <= next->first + next->second;
}

// A copy or memset of nothing cannot be recorded: a graph's nodes have sizes.
cudaError_t refuse_nothing(cudaStream_t stream) {
  if (stream == nullptr || stream->capture == nullptr) return cudaSuccess;
  stream->capture->invalid = true;
  return done(cudaErrorInvalidValue);
}

}  // namespace
}  // namespace prerank::emulator

using namespace prerank::emulator;

// New memory is full of NaN.
cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  const std::lock_guard lock(device().mutex);
  *pointer = nullptr;
  if (const cudaError_t refused = check_not_recording(); refused != cudaSuccess) return refused;
  if (bytes == 0) return cudaSuccess;
  if (device().used + bytes > memory_size()) return done(cudaErrorMemoryAllocation);
  void* const memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (memory == nullptr) return done(cudaErrorMemoryAllocation);
  std::memset(memory, 0xff, bytes);
  device().memory.emplace(static_cast<char*>(memory), bytes);
  device().used += bytes;
  *pointer = memory;
  return cudaSuccess;
}
cudaError_t cudaFree(void* pointer) {
  const std::lock_guard lock(device().mutex);
  if (pointer == nullptr) return cudaSuccess;
  if (const cudaError_t refused = check_not_recording(); refused != cudaSuccess) return refused;
  const auto found = device().memory.find(static_cast<char*>(pointer));
  if (found == device().memory.end()) return done(cudaErrorInvalidValue);
  device().used -= found->second;
  device().memory.erase(found);
  std::free(pointer);
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned int) {
  const std::lock_guard lock(device().mutex);
  if (const cudaError_t refused = check_not_recording(); refused != cudaSuccess) return refused;
  *pointer = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (*pointer == nullptr) return done(cudaErrorMemoryAllocation);
  device().pinned.emplace(static_cast<char*>(*pointer), bytes);
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* pointer) {
  const std::lock_guard lock(device().mutex);
  if (pointer == nullptr) return cudaSuccess;
  if (const cudaError_t refused = check_not_recording(); refused != cudaSuccess) return refused;
  if (device().pinned.erase(static_cast<char*>(pointer)) == 0) return done(cudaErrorInvalidValue);
  std::free(pointer);
  return cudaSuccess;
}
cudaError_t cudaHostRegister(void* pointer, size_t bytes, unsigned int) {
  const std::lock_guard lock(device().mutex);
  const bool added = device().pinned.emplace(static_cast<char*>(pointer), bytes).second;
  return done(added ? cudaSuccess : cudaErrorHostMemoryAlreadyRegistered);
}
cudaError_t cudaHostUnregister(void* pointer) {
  const std::lock_guard lock(device().mutex);
  return done(device().pinned.erase(static_cast<char*>(pointer)) == 1 ? cudaSuccess : cudaErrorInvalidValue);
}

// Pageable host memory is read at the call, pinned memory when the device comes to it: it must be there still.
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const std::lock_guard lock(device().mutex);
  if (bytes == 0) return refuse_nothing(stream);
  const bool from_device = contains(device().memory, from, bytes), to_device = contains(device().memory, to, bytes);
  const bool expected_from = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  const bool expected_to = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  if (kind != cudaMemcpyDefault && (from_device != expected_from || to_device != expected_to)) {
    return done(cudaErrorInvalidValue);
  }
  const bool from_pinned = contains(device().pinned, from, bytes), to_pinned = contains(device().pinned, to, bytes);
  const bool pageable = (!from_device && !from_pinned) || (!to_device && !to_pinned);
  if (pageable && stream != nullptr && stream->capture != nullptr) {
    stream->capture->invalid = true;
    return done(cudaErrorStreamCaptureUnsupported);
  }
  if (!from_device && !from_pinned) {
    std::vector<char> copy(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
    return static_cast<cudaError_t>(
        enqueue(stream, [to, copy = std::move(copy)] { std::memcpy(to, copy.data(), copy.size()); }));
  }
  const auto result = static_cast<cudaError_t>(enqueue(stream, [=] {
    const bool reads = contains(from_device ? device().memory : device().pinned, from, bytes);
    const bool writes = pageable || contains(to_device ? device().memory : device().pinned, to, bytes);
    if (!reads || !writes) fail("a copy comes to memory that was freed after it was queued");
    std::memmove(to, from, bytes);
  }));
  if (result == cudaSuccess && pageable) drain(stream);
  return result;
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  const std::lock_guard lock(device().mutex);
  if (bytes == 0) return refuse_nothing(stream);
  if (!contains(device().memory, to, bytes)) return done(cudaErrorInvalidValue);
  return static_cast<cudaError_t>(enqueue(stream, [=] { std::memset(to, value, bytes); }));
}
