#include "cpu/operands.h"
#include "cpu/ops.h"

namespace prerank::cpu {

KernelResult make_row_dot(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View a, input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View b, input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View y, output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(check_width(build, "the second operand", b.width, a.width));
  PRERANK_RETURN_IF_ERROR(check_width(build, "the result", y.width, 1));
  return make_kernel([=, row_dot = simd().row_dot](const TileContext& context) {
    row_dot(context.rows, a.width, a.at(context), a.stride, b.at(context), b.stride, y.at(context), y.stride);
  });
}

}  // namespace prerank::cpu
