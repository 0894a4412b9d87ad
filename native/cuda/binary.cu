// add, sub, mul, div of two operands, either of which may have width 1 (one number per row) or domain none.
#include <algorithm>

#include "cuda/elementwise.h"
#include "cuda/functions.h"
#include "cuda/ops.h"

namespace prerank::cuda {
namespace {

template <class F>
DeviceKernelResult make_binary(const DeviceBuild& build, F function) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View a, cpu::input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View b, cpu::input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View c, cpu::output_view(build, 0));
  for (const View& view : {a, b}) {
    if (view.width != 1) PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "an operand", view.width, c.width));
  }
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the result", c.width, std::max(a.width, b.width)));
  // An operand as wide as the result is read column by column, a narrower one repeated.
  const size_t a_step = a.width == c.width ? 1 : 0, b_step = b.width == c.width ? 1 : 0;
  return make_device_kernel([=](const DeviceContext& context) {
    return enqueue_elements(context.stream, context.rows, c.width, function, matrix(c, context),
                            Operand{a.at(context), a.stride, a_step}, Operand{b.at(context), b.stride, b_step});
  });
}

}  // namespace

DeviceKernelResult make_add(const DeviceBuild& build) { return make_binary(build, Add()); }
DeviceKernelResult make_sub(const DeviceBuild& build) { return make_binary(build, Sub()); }
DeviceKernelResult make_mul(const DeviceBuild& build) { return make_binary(build, Mul()); }
DeviceKernelResult make_div(const DeviceBuild& build) { return make_binary(build, Div()); }

}  // namespace prerank::cuda
