// The library's entry.
#include "cuda/cublaslt.h"
#include "cuda/device.h"
#include "cuda/kernel.h"
#include "cuda/program.h"
#include "cuda/roof.h"
#include "prerank/cuda.h"

namespace prerank::cuda {
namespace {

Result<std::vector<CudaDevice>> list_devices() {
  PRERANK_ASSIGN_OR_RETURN(const int count, device_count());
  std::vector<CudaDevice> devices;
  for (int number = 0; number < count; ++number) {
    PRERANK_ASSIGN_OR_RETURN(CudaDevice device, device_info(number));
    devices.push_back(std::move(device));
  }
  return devices;
}

Result<std::string> find_cublas() {
  PRERANK_ASSIGN_OR_RETURN(const CublasLt* api, CublasLt::open());
  return api->path;
}

constexpr CudaLibrary kLibrary = {kCudaBuild, list_devices, find_cublas, create_program, cuda_kernel_kinds, measure_roof};

}  // namespace
}  // namespace prerank::cuda

extern "C" __attribute__((visibility("default"))) const prerank::CudaLibrary* prerank_cuda_library() {
  return &prerank::cuda::kLibrary;
}
