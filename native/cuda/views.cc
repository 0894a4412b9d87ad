// concat, slice and stopGradient stay in the plan for other runtimes; here their operands share memory already.
#include "cpu/views.h"

#include "cuda/ops.h"

namespace prerank::cuda {
namespace {

DeviceKernelResult nothing_to_do() {
  return make_device_kernel([](const DeviceContext&) { return Status(); });
}

}  // namespace

DeviceKernelResult make_concat(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_concat(build));
  return nothing_to_do();
}

DeviceKernelResult make_slice(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_part(build));
  return nothing_to_do();
}

DeviceKernelResult make_stop_gradient(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_part(build));
  return nothing_to_do();
}

}  // namespace prerank::cuda
