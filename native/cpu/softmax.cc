#include "cpu/group_shape.h"
#include "cpu/operands.h"
#include "cpu/ops.h"

namespace prerank::cpu {

Result<size_t> softmax_group(const KernelBuild& build, size_t width) {
  const double group = build.number("group", static_cast<double>(width));
  if (!(group >= 1) || group > static_cast<double>(width) || width % static_cast<size_t>(group) != 0) {
    return invalid(build, "width " + std::to_string(width) + " is not a multiple of group " + std::to_string(group));
  }
  return static_cast<size_t>(group);
}

KernelResult make_softmax(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(check_width(build, "the input", x.width, y.width));
  PRERANK_ASSIGN_OR_RETURN(const size_t group, softmax_group(build, y.width));
  return make_kernel([=, softmax = simd().softmax](const TileContext& context) {
    softmax(context.rows, y.width / group, group, x.at(context), x.stride, y.at(context), y.stride);
  });
}

KernelResult make_softmax_grad(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View dy, input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View dx, output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(check_width(build, "dY", dy.width, dx.width));
  PRERANK_RETURN_IF_ERROR(check_width(build, "y", y.width, dx.width));
  PRERANK_ASSIGN_OR_RETURN(const size_t group, softmax_group(build, y.width));
  return make_kernel([=, grad = simd().softmax_grad](const TileContext& context) {
    grad(context.rows, y.width / group, group, dy.at(context), dy.stride, y.at(context), y.stride, dx.at(context),
         dx.stride);
  });
}

}  // namespace prerank::cpu
