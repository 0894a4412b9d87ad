#include "cpu/operands.h"
#include "cpu/ops.h"

namespace prerank::cpu {

KernelResult make_row_sum(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(check_width(build, "the result", y.width, 1));
  return make_kernel([=, row_sum = simd().row_sum](const TileContext& context) {
    row_sum(context.rows, x.width, x.at(context), x.stride, y.at(context), y.stride);
  });
}

}  // namespace prerank::cpu
