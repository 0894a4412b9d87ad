#include "cuda/device.h"

#include <limits>

namespace prerank::cuda {
namespace {

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string mebibytes(size_t bytes) { return std::to_string((bytes + (size_t{1} << 20) - 1) >> 20) + " MiB"; }

Status out_of_memory(const std::string& what, size_t bytes) {
  (void)cudaGetLastError();  // the error does not outlive the call that failed
  size_t free = 0, total = 0;
  std::string rest;
  if (cudaMemGetInfo(&free, &total) == cudaSuccess) {
    rest = ", " + mebibytes(free) + " of " + mebibytes(total) + " are free";
  }
  return {Code::kOutOfMemory, what + " needs " + mebibytes(bytes) + " of the device's memory" + rest};
}

}  // namespace

Status status_of(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return {};
  (void)cudaGetLastError();  // CUB asks for the last error, and would report this one again
  const Code code = error == cudaErrorMemoryAllocation ? Code::kOutOfMemory : Code::kInternal;
  return {code, std::string("CUDA: ") + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ") in " + what};
}

Result<int> device_count() {
  int count = 0, driver = 0, runtime = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count > 0) return count;
  (void)cudaGetLastError();
  (void)cudaDriverGetVersion(&driver);
  (void)cudaRuntimeGetVersion(&runtime);
  if (driver == 0) return Status(Code::kUnsupported, "no NVIDIA driver is installed");
  if (error == cudaErrorInsufficientDriver) {
    return Status(Code::kUnsupported, "the NVIDIA driver is too old: it supports CUDA " + version_text(driver) +
                                          ", this build needs " + version_text(runtime));
  }
  if (error == cudaSuccess || error == cudaErrorNoDevice) {
    return Status(Code::kUnsupported, "the NVIDIA driver finds no device");
  }
  return Status(Code::kUnsupported, std::string("no CUDA device can be used: ") + cudaGetErrorString(error));
}

Status use_device(int number) {
  PRERANK_ASSIGN_OR_RETURN(const int count, device_count());
  if (number < 0 || number >= count) {
    return {Code::kUnsupported, "there is no device cuda:" + std::to_string(number) + ": the driver finds " +
                                    std::to_string(count) + (count == 1 ? " device" : " devices")};
  }
  PRERANK_CUDA(cudaSetDevice(number));
  return {};
}

Result<CudaDevice> device_info(int number) {
  PRERANK_RETURN_IF_ERROR(use_device(number));
  cudaDeviceProp properties;
  PRERANK_CUDA(cudaGetDeviceProperties(&properties, number));
  CudaDevice info = {number,           properties.name,
                     properties.major, properties.minor,
                     properties.multiProcessorCount, properties.totalGlobalMem, 0};
  size_t total = 0;
  PRERANK_CUDA(cudaMemGetInfo(&info.free_memory, &total));
  return info;
}

Result<Stream> make_stream() {
  cudaStream_t stream = nullptr;
  PRERANK_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return Stream(stream);
}

Result<Event> make_event() {
  cudaEvent_t event = nullptr;
  PRERANK_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return Event(event);
}

Result<Event> make_timed_event() {
  cudaEvent_t event = nullptr;
  PRERANK_CUDA(cudaEventCreateWithFlags(&event, cudaEventDefault));
  return Event(event);
}

Result<DeviceBuffer> DeviceBuffer::allocate(size_t bytes, const std::string& what) {
  DeviceBuffer buffer;
  if (bytes == 0) return buffer;
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, bytes);
  if (error == cudaErrorMemoryAllocation) return out_of_memory(what, bytes);
  PRERANK_RETURN_IF_ERROR(status_of(error, "cudaMalloc"));
  buffer.memory_ = Owned<void*, cudaFree>(memory);
  buffer.bytes_ = bytes;
  return buffer;
}

Result<DeviceBuffer> DeviceBuffer::floats(size_t count, const std::string& what) {
  size_t bytes = 0;
  if (__builtin_mul_overflow(count, sizeof(float), &bytes)) {
    return out_of_memory(what, std::numeric_limits<size_t>::max());
  }
  return allocate(bytes, what);
}

Result<PinnedBuffer> PinnedBuffer::allocate(size_t bytes, const std::string& what) {
  PinnedBuffer buffer;
  if (bytes == 0) return buffer;
  void* memory = nullptr;
  const cudaError_t error = cudaHostAlloc(&memory, bytes, cudaHostAllocDefault);
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    return Status(Code::kOutOfMemory, what + " needs " + mebibytes(bytes) + " of page-locked memory");
  }
  PRERANK_RETURN_IF_ERROR(status_of(error, "cudaHostAlloc"));
  buffer.memory_ = Owned<void*, cudaFreeHost>(memory);
  buffer.bytes_ = bytes;
  return buffer;
}

}  // namespace prerank::cuda
