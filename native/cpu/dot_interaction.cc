#include "cpu/dot_features.h"
#include "cpu/operands.h"
#include "cpu/ops.h"

namespace prerank::cpu {

Result<size_t> dot_features(const KernelBuild& build, const View& x, size_t pairs) {
  const double dim = build.number("dim", 0);
  if (!(dim >= 1) || dim > static_cast<double>(x.width) || x.width % static_cast<size_t>(dim) != 0) {
    return invalid(build, "width " + std::to_string(x.width) + " is not a multiple of dim " + std::to_string(dim));
  }
  const size_t features = x.width / static_cast<size_t>(dim);
  if (features < 2) return invalid(build, "needs at least two vectors");
  PRERANK_RETURN_IF_ERROR(check_width(build, "the lower triangle", pairs, features * (features - 1) / 2));
  return features;
}

KernelResult make_dot_interaction(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, row_input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, output_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const size_t features, dot_features(build, x, y.width));
  const size_t dim = x.width / features;
  return make_kernel([=, interaction = simd().dot_interaction](const TileContext& context) {
    interaction(context.rows, features, dim, x.at(context), x.stride, y.at(context), y.stride);
  });
}

KernelResult make_dot_interaction_grad(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View dy, row_input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View x, row_input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View dx, output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(check_width(build, "dX", dx.width, x.width));
  PRERANK_ASSIGN_OR_RETURN(const size_t features, dot_features(build, x, dy.width));
  const bool accumulate = build.number("accumulate", 0) != 0;
  const size_t dim = x.width / features;
  return make_kernel([=, grad = simd().dot_interaction_grad](const TileContext& context) {
    grad(context.rows, features, dim, dy.at(context), dy.stride, x.at(context), x.stride, accumulate, dx.at(context),
         dx.stride);
  });
}

}  // namespace prerank::cpu
