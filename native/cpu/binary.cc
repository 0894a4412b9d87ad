// add, sub, mul, div of two operands, either of which may have width 1 (one number per row) or domain none.
#include <algorithm>

#include "cpu/operands.h"
#include "cpu/ops.h"

namespace prerank::cpu {
namespace {

KernelResult make_binary(const KernelBuild& build, BinaryFunction function) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View a, input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View b, input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View c, output_view(build, 0));
  for (const View& view : {a, b}) {
    if (view.width != 1) PRERANK_RETURN_IF_ERROR(check_width(build, "an operand", view.width, c.width));
  }
  PRERANK_RETURN_IF_ERROR(check_width(build, "the result", c.width, std::max(a.width, b.width)));
  // An operand as wide as the result is read column by column, a narrower one repeated.
  const size_t a_step = a.width == c.width ? 1 : 0, b_step = b.width == c.width ? 1 : 0;
  return make_kernel([=, binary = simd().binary[function]](const TileContext& context) {
    const Extent e = a_step + b_step == 2 ? extent(context.rows, c.width, {a.stride, b.stride, c.stride})
                                          : Extent{context.rows, c.width};
    binary(e.rows, e.width, {a.at(context), a.stride, a_step}, {b.at(context), b.stride, b_step}, c.at(context),
           c.stride);
  });
}

}  // namespace

KernelResult make_add(const KernelBuild& build) { return make_binary(build, kAdd); }
KernelResult make_sub(const KernelBuild& build) { return make_binary(build, kSub); }
KernelResult make_mul(const KernelBuild& build) { return make_binary(build, kMul); }
KernelResult make_div(const KernelBuild& build) { return make_binary(build, kDiv); }

}  // namespace prerank::cpu
