// What CUDA's runtime hands out, owned: devices, streams, events, memory. Every call is checked; errors are Status values.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "prerank/cuda.h"
#include "prerank/status.h"

namespace prerank::cuda {

// kOutOfMemory for an allocation that failed, else kInternal; `what` names the call or the thing in the message.
Status status_of(cudaError_t error, const char* what);

#define PRERANK_CUDA(call) PRERANK_RETURN_IF_ERROR(::prerank::cuda::status_of((call), #call))

// kUnsupported, with the reason (no driver, a driver older than this build's runtime and both versions, no device), when
// there is none to use.
Result<int> device_count();
// Makes device `number` the calling thread's; the count in the message when it does not exist.
Status use_device(int number);
Result<CudaDevice> device_info(int number);

template <class Handle, cudaError_t (*kDestroy)(Handle)>
class Owned {
 public:
  Owned() = default;
  explicit Owned(Handle handle) : handle_(handle) {}
  Owned(Owned&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Owned() {
    // Nothing can be done about an error here, and the next call reports a broken device.
    if (handle_ != nullptr) (void)kDestroy(handle_);
  }

  Handle get() const { return handle_; }
  explicit operator bool() const { return handle_ != nullptr; }

 private:
  Handle handle_ = nullptr;
};

using Stream = Owned<cudaStream_t, cudaStreamDestroy>;
using Event = Owned<cudaEvent_t, cudaEventDestroy>;
using GraphExec = Owned<cudaGraphExec_t, cudaGraphExecDestroy>;

Result<Stream> make_stream();
Result<Event> make_event();        // for order only
Result<Event> make_timed_event();  // for elapsed time, too

// Memory of the device; `what` names it in the error. 256-byte aligned.
class DeviceBuffer {
 public:
  static Result<DeviceBuffer> allocate(size_t bytes, const std::string& what);
  static Result<DeviceBuffer> floats(size_t count, const std::string& what);

  template <class T>
  T* as() const {
    return static_cast<T*>(memory_.get());
  }
  size_t bytes() const { return bytes_; }

 private:
  Owned<void*, cudaFree> memory_;
  size_t bytes_ = 0;
};

// Page-locked memory of the host, which the device copies from and to without a stop in between.
class PinnedBuffer {
 public:
  static Result<PinnedBuffer> allocate(size_t bytes, const std::string& what);

  template <class T>
  T* as() const {
    return static_cast<T*>(memory_.get());
  }
  size_t bytes() const { return bytes_; }

 private:
  Owned<void*, cudaFreeHost> memory_;
  size_t bytes_ = 0;
};

}  // namespace prerank::cuda
