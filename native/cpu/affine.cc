#include "cpu/operands.h"
#include "cpu/ops.h"

namespace prerank::cpu {

KernelResult make_affine(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(check_width(build, "the input", x.width, y.width));
  const float scale = static_cast<float>(build.number("scale", 1));
  const float shift = static_cast<float>(build.number("shift", 0));
  return make_kernel([=, affine = simd().affine](const TileContext& context) {
    const Extent e = extent(context.rows, y.width, {x.stride, y.stride});
    affine(e.rows, e.width, scale, shift, x.at(context), x.stride, y.at(context), y.stride);
  });
}

}  // namespace prerank::cpu
