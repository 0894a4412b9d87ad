// info(): what this build is and what it found on this machine.
#include <napi.h>

#include <string>

#include "addon/bindings.h"
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
  result.Set("cuda", "not built");
  Napi::Array kernels = Napi::Array::New(env);
  uint32_t next = 0;
  for (const std::string& kind : cpu_kernel_kinds()) kernels.Set(next++, kind);
  result.Set("kernels", kernels);
  return result;
}

}  // namespace

void register_info(Napi::Env env, Napi::Object exports) {
  exports.Set("info", Napi::Function::New(env, info, "info"));
}

}  // namespace prerank::addon
