#include "cuda/functions.h"
#include "cuda/group_sums.h"
#include "cuda/ops.h"

namespace prerank::cuda {

DeviceKernelResult make_row_sum(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, cpu::input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the result", y.width, 1));
  return make_device_kernel(
      [=](const DeviceContext& context) { return enqueue_group_sums(context, Same(), x.width, y, x); });
}

}  // namespace prerank::cuda
