// Dropout and its gradient: both draw the mask anew from Philox(seed, step, op id, row in batch, element).
#include <algorithm>

#include "cpu/noise.h"
#include "cpu/operands.h"
#include "cpu/ops.h"

namespace prerank::cpu {
namespace {

Result<DropoutSettings> masked_settings(const KernelBuild& build, int32_t op) {
  const double rate = build.number("rate", 0);
  if (!(rate >= 0 && rate < 1)) return invalid(build, "rate " + std::to_string(rate) + " is not in [0, 1)");
  return DropoutSettings{static_cast<uint32_t>(op), static_cast<uint32_t>(std::min(rate * 0x1p32, 0x1p32 - 1)),
                         static_cast<float>(1 / (1 - rate))};
}

KernelResult make_masked(const KernelBuild& build, const DropoutSettings& s) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, row_input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(check_width(build, "the input", x.width, y.width));
  return make_kernel([=, table = &simd()](const TileContext& context) {
    if (!context.training) {
      const Extent e = extent(context.rows, y.width, {x.stride, y.stride});
      if (x.at(context) != y.at(context)) {
        table->affine(e.rows, e.width, 1.0f, 0.0f, x.at(context), x.stride, y.at(context), y.stride);
      }
      return;
    }
    const DropoutArguments arguments = {
        {static_cast<uint32_t>(context.seed), static_cast<uint32_t>(context.seed >> 32)},
        static_cast<uint32_t>(context.first_row),
        s.op,
        static_cast<uint32_t>(context.step),
        s.threshold,
        s.scale};
    table->dropout(context.rows, y.width, arguments, x.at(context), x.stride, y.at(context), y.stride);
  });
}

}  // namespace

Result<DropoutSettings> dropout_settings(const KernelBuild& build) { return masked_settings(build, build.op->id); }

Result<DropoutSettings> dropout_grad_settings(const KernelBuild& build) {
  const double mask_of = build.number("maskOf", -1);
  if (!(mask_of >= 0 && mask_of <= 0x7fffffff)) return invalid(build, "attribute 'maskOf' is missing");
  return masked_settings(build, static_cast<int32_t>(mask_of));
}

KernelResult make_dropout(const KernelBuild& build) {
  PRERANK_ASSIGN_OR_RETURN(const DropoutSettings settings, dropout_settings(build));
  return make_masked(build, settings);
}

KernelResult make_dropout_grad(const KernelBuild& build) {
  PRERANK_ASSIGN_OR_RETURN(const DropoutSettings settings, dropout_grad_settings(build));
  return make_masked(build, settings);
}

}  // namespace prerank::cpu
