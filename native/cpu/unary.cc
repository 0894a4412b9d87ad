#include "cpu/operands.h"
#include "cpu/ops.h"

namespace prerank::cpu {

KernelResult make_unary(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const MapFunction function, map_function(build, "function"));
  PRERANK_ASSIGN_OR_RETURN(const View x, input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(check_width(build, "the input", x.width, y.width));
  return make_kernel([x, y, map = simd().map[function]](const TileContext& context) {
    const Extent e = extent(context.rows, y.width, {x.stride, y.stride});
    map(e.rows, e.width, x.at(context), x.stride, y.at(context), y.stride);
  });
}

KernelResult make_unary_grad(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 3, 1));
  PRERANK_ASSIGN_OR_RETURN(const MapFunction function, map_function(build, "function"));
  PRERANK_ASSIGN_OR_RETURN(const View dy, input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View x, input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View y, input_view(build, 2));
  PRERANK_ASSIGN_OR_RETURN(const View dx, output_view(build, 0));
  for (const View& view : {dy, x, y}) PRERANK_RETURN_IF_ERROR(check_width(build, "an input", view.width, dx.width));
  if (function == kNeg) {
    return make_kernel([dy, dx, map = simd().map[kNeg]](const TileContext& context) {
      const Extent e = extent(context.rows, dx.width, {dy.stride, dx.stride});
      map(e.rows, e.width, dy.at(context), dy.stride, dx.at(context), dx.stride);
    });
  }
  const bool by_result =
      function == kRelu || function == kSigmoid || function == kTanh || function == kExp || function == kSqrt;
  const View v = by_result ? y : x;
  return make_kernel([dy, v, dx, grad = simd().map_grad[function]](const TileContext& context) {
    const Extent e = extent(context.rows, dx.width, {dy.stride, v.stride, dx.stride});
    grad(e.rows, e.width, dy.at(context), dy.stride, v.at(context), v.stride, dx.at(context), dx.stride);
  });
}

}  // namespace prerank::cpu
