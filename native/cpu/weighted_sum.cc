#include "cpu/group_shape.h"
#include "cpu/operands.h"
#include "cpu/ops.h"

namespace prerank::cpu {

Result<size_t> gated_experts(const KernelBuild& build, const View& gates, const View& x, const View& y) {
  const size_t experts = gates.width;
  if (build.number("experts", static_cast<double>(experts)) != static_cast<double>(experts)) {
    return invalid(build, "there are " + std::to_string(experts) + " gates for another number of experts");
  }
  PRERANK_RETURN_IF_ERROR(check_width(build, "the experts", x.width, experts * y.width));
  return experts;
}

KernelResult make_weighted_sum(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View gates, input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View x, input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View y, output_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const size_t experts, gated_experts(build, gates, x, y));
  return make_kernel([=, weighted_sum = simd().weighted_sum](const TileContext& context) {
    weighted_sum(context.rows, experts, y.width, gates.at(context), gates.stride, x.at(context), x.stride,
                 y.at(context), y.stride);
  });
}

KernelResult make_weighted_sum_grad(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 3, 2));
  PRERANK_ASSIGN_OR_RETURN(const View dy, input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View gates, input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, input_view(build, 2));
  PRERANK_ASSIGN_OR_RETURN(const View dgates, output_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View dx, output_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const size_t experts, gated_experts(build, gates, x, dy));
  PRERANK_RETURN_IF_ERROR(check_width(build, "dGates", dgates.width, gates.width));
  PRERANK_RETURN_IF_ERROR(check_width(build, "dExperts", dx.width, x.width));
  return make_kernel([=, grad = simd().weighted_sum_grad](const TileContext& context) {
    grad(context.rows, experts, dy.width, dy.at(context), dy.stride, gates.at(context), gates.stride, x.at(context),
         x.stride, dgates.at(context), dgates.stride, dx.at(context), dx.stride);
  });
}

}  // namespace prerank::cpu
