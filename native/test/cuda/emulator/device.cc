// What the emulated device says of itself. PRERANK_EMULATED_DEVICE describes it:
//   none            no device          old-driver      a driver older than the runtime
//   memory=BYTES    so much memory     (unset)         16 GiB
#include "device.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

namespace prerank::emulator {
namespace {

std::string setting() {
  const char* const value = std::getenv("PRERANK_EMULATED_DEVICE");
  return value == nullptr ? "" : value;
}

}  // namespace

Device& device() {
  static Device instance;
  return instance;
}

size_t memory_size() {
  const std::string value = setting();
  return value.starts_with("memory=") ? std::strtoull(value.c_str() + 7, nullptr, 10) : size_t{16} << 30;
}

cudaError_t done(cudaError_t error) {
  if (error != cudaSuccess) device().last = error;
  return error;
}

}  // namespace prerank::emulator

using namespace prerank::emulator;

cudaError_t cudaDriverGetVersion(int* version) {
  *version = setting() == "old-driver" ? 11040 : CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  if (setting() == "none") return done(cudaErrorNoDevice);
  if (setting() == "old-driver") return done(cudaErrorInsufficientDriver);
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int number) { return done(number == 0 ? cudaSuccess : cudaErrorInvalidDevice); }
cudaError_t cudaGetDevice(int* number) {
  *number = 0;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int number) {
  if (number != 0) return done(cudaErrorInvalidDevice);
  *properties = {"Emulated device", memory_size(), 9, 0, 4, 1 << 20};
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int number) {
  if (number != 0) return done(cudaErrorInvalidDevice);
  *value = attribute == cudaDevAttrMultiProcessorCount ? 4 : attribute == cudaDevAttrComputeCapabilityMajor ? 9 : 0;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const std::lock_guard lock(device().mutex);
  *total = memory_size();
  *free = *total - std::min(*total, device().used);
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return std::exchange(device().last, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return device().last; }
const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInsufficientDriver: return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice: return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice: return "cudaErrorInvalidDevice";
    case cudaErrorHostMemoryAlreadyRegistered: return "cudaErrorHostMemoryAlreadyRegistered";
    case cudaErrorInvalidResourceHandle: return "cudaErrorInvalidResourceHandle";
    case cudaErrorNotReady: return "cudaErrorNotReady";
    case cudaErrorStreamCaptureUnsupported: return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated: return "cudaErrorStreamCaptureInvalidated";
  }
  return "unknown error";
}
const char* cudaGetErrorString(cudaError_t error) { return cudaGetErrorName(error); }
