#include "cpu/operands.h"
#include "cpu/ops.h"

namespace prerank::cpu {
namespace {

Result<MapFunction> activation_function(const KernelBuild& build) {
  PRERANK_ASSIGN_OR_RETURN(const MapFunction function, map_function(build, "activation"));
  if (function == kRelu || function == kSigmoid || function == kTanh) return function;
  return invalid(build, "activation is relu, sigmoid or tanh");
}

}  // namespace

KernelResult make_activation(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const MapFunction function, activation_function(build));
  PRERANK_ASSIGN_OR_RETURN(const View x, input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(check_width(build, "the input", x.width, y.width));
  return make_kernel([x, y, map = simd().map[function]](const TileContext& context) {
    const Extent e = extent(context.rows, y.width, {x.stride, y.stride});
    map(e.rows, e.width, x.at(context), x.stride, y.at(context), y.stride);
  });
}

KernelResult make_activation_grad(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const MapFunction function, activation_function(build));
  PRERANK_ASSIGN_OR_RETURN(const View dy, input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View dx, output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(check_width(build, "dY", dy.width, dx.width));
  PRERANK_RETURN_IF_ERROR(check_width(build, "y", y.width, dx.width));
  return make_kernel([dy, y, dx, grad = simd().map_grad[function]](const TileContext& context) {
    const Extent e = extent(context.rows, dx.width, {dy.stride, y.stride, dx.stride});
    grad(e.rows, e.width, dy.at(context), dy.stride, y.at(context), y.stride, dx.at(context), dx.stride);
  });
}

}  // namespace prerank::cpu
