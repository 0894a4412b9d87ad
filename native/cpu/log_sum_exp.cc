#include "cpu/operands.h"
#include "cpu/ops.h"

namespace prerank::cpu {

KernelResult make_log_sum_exp(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(check_width(build, "the result", y.width, 1));
  return make_kernel([=, log_sum_exp = simd().log_sum_exp](const TileContext& context) {
    log_sum_exp(context.rows, x.width, x.at(context), x.stride, y.at(context), y.stride);
  });
}

}  // namespace prerank::cpu
