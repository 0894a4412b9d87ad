// Gradients of operands that were broadcast over rows: added into the worker's accumulator.
#include <algorithm>
#include <array>

#include "cpu/operands.h"
#include "cpu/ops.h"

namespace prerank::cpu {

KernelResult make_sum_rows(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, accumulator_view(build, 0));
  const bool scalar = build.number("scalar", 0) != 0;
  PRERANK_RETURN_IF_ERROR(check_width(build, "the accumulator", y.width, scalar ? 1 : x.width));
  if (!scalar) {
    return make_kernel([=, column_sum = simd().column_sum](const TileContext& context) {
      column_sum(context.rows, x.width, x.at(context), x.stride, y.at(context));
    });
  }
  return make_kernel([=, row_sum = simd().row_sum](const TileContext& context) {
    constexpr size_t kBlock = 64;
    std::array<float, kBlock> sums;
    double total = 0;
    for (size_t r = 0; r < context.rows; r += kBlock) {
      const size_t n = std::min(kBlock, context.rows - r);
      row_sum(n, x.width, x.at(context) + r * x.stride, x.stride, sums.data(), 1);
      for (size_t i = 0; i < n; ++i) total += static_cast<double>(sums[i]);
    }
    *y.at(context) += static_cast<float>(total);
  });
}

}  // namespace prerank::cpu
