// Groups of columns, one number each: scaleGroups multiplies by it, groupDot is the gradient towards it.
#include "cpu/group_shape.h"
#include "cpu/operands.h"
#include "cpu/ops.h"

namespace prerank::cpu {

Result<size_t> group_dim(const KernelBuild& build, size_t groups, size_t width) {
  if (groups == 0 || width % groups != 0) {
    return invalid(build,
                   "width " + std::to_string(width) + " is no multiple of " + std::to_string(groups) + " groups");
  }
  return width / groups;
}

KernelResult make_scale_groups(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View gates, input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View x, input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View y, output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(check_width(build, "the result", y.width, x.width));
  PRERANK_ASSIGN_OR_RETURN(const size_t dim, group_dim(build, gates.width, x.width));
  return make_kernel([=, scale_groups = simd().scale_groups](const TileContext& context) {
    scale_groups(context.rows, gates.width, dim, gates.at(context), gates.stride, x.at(context), x.stride,
                 y.at(context), y.stride);
  });
}

KernelResult make_group_dot(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View a, input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View b, input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View y, output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(check_width(build, "the second operand", b.width, a.width));
  PRERANK_ASSIGN_OR_RETURN(const size_t dim, group_dim(build, y.width, a.width));
  return make_kernel([=, group_dot = simd().group_dot](const TileContext& context) {
    group_dot(context.rows, y.width, dim, a.at(context), a.stride, b.at(context), b.stride, y.at(context), y.stride);
  });
}

}  // namespace prerank::cpu
