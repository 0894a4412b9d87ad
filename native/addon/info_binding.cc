// info() and cuda(): what this build is and what it found on this machine.
#include <napi.h>

#include <string>

#include "addon/bindings.h"
#include "addon/cuda_library.h"
#include "base/cpu_info.h"
#include "cpu/dispatch.h"
#include "prerank/kernel.h"

namespace prerank::addon {
namespace {

Napi::Value info(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  Napi::Object result = Napi::Object::New(env);
  result.Set("version", PRERANK_VERSION);
  result.Set("isa", cpu::active_isa());
  result.Set("cpu", cpu_model());
  result.Set("cores", static_cast<double>(usable_cores()));
#if defined(__clang__)
  result.Set("compiler", "clang " __clang_version__);
#else
  result.Set("compiler", "gcc " __VERSION__);
#endif
  Napi::Array kernels = Napi::Array::New(env);
  uint32_t next = 0;
  for (const std::string& kind : cpu_kernel_kinds()) kernels.Set(next++, kind);
  result.Set("kernels", kernels);
  return result;
}

Napi::Object device_object(Napi::Env env, const CudaDevice& device) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("number", device.number);
  result.Set("name", device.name);
  result.Set("computeCapability", std::to_string(device.major) + "." + std::to_string(device.minor));
  result.Set("multiprocessors", device.multiprocessors);
  result.Set("bytes", static_cast<double>(device.memory));
  result.Set("freeBytes", static_cast<double>(device.free_memory));
  return result;
}

// What GPU programs need, in the order in which it is looked for; `missing` says what the first missing thing is.
Napi::Value cuda(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  Napi::Object result = Napi::Object::New(env);
  Napi::Array list = Napi::Array::New(env);
  result.Set("devices", list);
  const auto missing = [&](const Status& status) {
    result.Set("missing", status.message());
    return result;
  };
  const Result<const CudaLibrary*> library = cuda_library();
  result.Set("built", library.ok());
  if (!library.ok()) return missing(library.status());
  const Result<std::vector<CudaDevice>> devices = library.value()->devices();
  if (!devices.ok()) return missing(devices.status());
  for (const CudaDevice& device : devices.value()) list.Set(list.Length(), device_object(env, device));
  const Result<std::string> cublas = library.value()->cublas();
  if (!cublas.ok()) return missing(cublas.status());
  result.Set("cublas", cublas.value());
  Napi::Array kernels = Napi::Array::New(env);
  for (const std::string& kind : library.value()->kernel_kinds()) kernels.Set(kernels.Length(), kind);
  result.Set("kernels", kernels);
  return result;
}

}  // namespace

void register_info(Napi::Env env, Napi::Object exports) {
  exports.Set("info", Napi::Function::New(env, info, "info"));
  exports.Set("cuda", Napi::Function::New(env, cuda, "cuda"));
}

}  // namespace prerank::addon
