// Moving values between views: copy, zero, constant, addInto.
#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/operands.h"
#include "cpu/ops.h"

namespace prerank::cpu {

KernelResult make_copy(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(check_width(build, "the input", x.width, y.width));
  return make_kernel([=](const TileContext& context) {
    const Extent e = extent(context.rows, y.width, {x.stride, y.stride});
    const float* from = x.at(context);
    float* to = y.at(context);
    for (size_t r = 0; r < e.rows; ++r) std::memcpy(to + r * y.stride, from + r * x.stride, e.width * sizeof(float));
  });
}

KernelResult make_zero(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 0, 1));
  PRERANK_ASSIGN_OR_RETURN(const View y, output_view(build, 0));
  return make_kernel([=](const TileContext& context) {
    const Extent e = extent(context.rows, y.width, {y.stride});
    for (size_t r = 0; r < e.rows; ++r) std::memset(y.at(context) + r * y.stride, 0, e.width * sizeof(float));
  });
}

KernelResult make_constant(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 0, 1));
  PRERANK_ASSIGN_OR_RETURN(const View y, accumulator_view(build, 0));
  const auto found = build.op->lists.find("values");
  if (found == build.op->lists.end()) return invalid(build, "attribute 'values' is missing");
  const std::vector<float> values(found->second.begin(), found->second.end());
  PRERANK_RETURN_IF_ERROR(check_width(build, "the result", y.width, values.size()));
  return make_kernel([=](const TileContext& context) { std::copy(values.begin(), values.end(), y.at(context)); });
}

KernelResult make_add_into(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(check_width(build, "the input", x.width, y.width));
  return make_kernel([=, add = simd().binary[kAdd]](const TileContext& context) {
    const Extent e = extent(context.rows, y.width, {x.stride, y.stride});
    float* to = y.at(context);
    add(e.rows, e.width, {to, y.stride, 1}, {x.at(context), x.stride, 1}, to, y.stride);
  });
}

}  // namespace prerank::cpu
