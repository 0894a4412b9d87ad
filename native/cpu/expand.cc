// Between the request and the row domain. The value of the other domain is addressed by its row 0.
#include <cstring>

#include "cpu/operands.h"
#include "cpu/ops.h"

namespace prerank::cpu {

KernelResult make_expand(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 1, 1));
  if (build.segment_domain != Domain::kRow) return invalid(build, "belongs in a row segment");
  PRERANK_ASSIGN_OR_RETURN(const View x, input_view_of(build, 0, Domain::kRequest));
  PRERANK_ASSIGN_OR_RETURN(const View y, output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(check_width(build, "the input", x.width, y.width));
  return make_kernel([=](const TileContext& context) {
    const uint32_t* request = context.batch->request_of_row.data() + context.first_row;
    const float* from = x.at(context);
    float* to = y.at(context);
    for (size_t r = 0; r < context.rows; ++r) {
      std::memcpy(to + r * y.stride, from + request[r] * x.stride, y.width * sizeof(float));
    }
  });
}

KernelResult make_expand_grad(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 1, 1));
  if (build.segment_domain != Domain::kRequest) return invalid(build, "belongs in a request segment");
  PRERANK_ASSIGN_OR_RETURN(const View dy, input_view_of(build, 0, Domain::kRow));
  PRERANK_ASSIGN_OR_RETURN(const View dx, output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(check_width(build, "dY", dy.width, dx.width));
  return make_kernel([=, column_sum = simd().column_sum](const TileContext& context) {
    const uint32_t* offsets = context.batch->request_offsets.data() + context.first_row;
    for (size_t q = 0; q < context.rows; ++q) {
      float* to = dx.at(context) + q * dx.stride;
      std::memset(to, 0, dx.width * sizeof(float));
      column_sum(offsets[q + 1] - offsets[q], dx.width, dy.at(context) + offsets[q] * dy.stride, dy.stride, to);
    }
  });
}

}  // namespace prerank::cpu
