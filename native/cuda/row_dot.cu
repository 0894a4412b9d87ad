#include "cuda/functions.h"
#include "cuda/group_sums.h"
#include "cuda/ops.h"

namespace prerank::cuda {

DeviceKernelResult make_row_dot(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View a, cpu::input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View b, cpu::input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the second operand", b.width, a.width));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the result", y.width, 1));
  return make_device_kernel(
      [=](const DeviceContext& context) { return enqueue_group_sums(context, Mul(), a.width, y, a, b); });
}

}  // namespace prerank::cuda
