// Gradients of linear: dX = D W, dW += D^T X, db += column sums of D, with D the gradient before the activation.
#include "cpu/linear_shape.h"
#include "cpu/ops.h"

namespace prerank::cpu {

KernelResult make_linear_dx(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View d, row_input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View w, input_view_of(build, 1, Domain::kNone));
  PRERANK_ASSIGN_OR_RETURN(const View dx, output_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const LinearShape shape, linear_shape(build, build.input(1), dx.width, d.width));
  PRERANK_ASSIGN_OR_RETURN(std::vector<Piece> pieces, make_pieces(build, shape, [&](size_t rows) {
                             MatmulShape m{.m = rows, .k = shape.out, .n = shape.in};
                             m.a_row = d.stride;
                             m.b_row = shape.in;
                             m.c_row = dx.stride;
                             return m;
                           }));
  return make_kernel([=, pieces = std::move(pieces), thin = simd().linear_dx](const TileContext& context) {
    const float* from = d.at(context);
    const float* weights = w.at(context);
    float* to = dx.at(context);
    for_pieces(
        pieces, context.rows,
        [&](const Matmul& matmul, size_t r) {
          matmul.run(context.worker, from + r * d.stride, weights, nullptr, to + r * dx.stride);
        },
        [&](size_t r, size_t rows) {
          thin(rows, shape.in, shape.out, from + r * d.stride, d.stride, weights, to + r * dx.stride, dx.stride);
        });
  });
}

KernelResult make_linear_dw(const KernelBuild& build) {
  const bool has_bias = build.op->outputs.size() == 2;
  PRERANK_RETURN_IF_ERROR(check_arity(build, 2, has_bias ? 2 : 1));
  PRERANK_ASSIGN_OR_RETURN(const View d, row_input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View x, row_input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View dw, accumulator_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const LinearShape shape, linear_shape(build, build.output(0), x.width, d.width));
  View db;
  if (has_bias) {
    PRERANK_ASSIGN_OR_RETURN(db, accumulator_view(build, 1));
    PRERANK_RETURN_IF_ERROR(check_width(build, "the bias", db.width, shape.out));
  }
  PRERANK_ASSIGN_OR_RETURN(std::vector<Piece> pieces, make_pieces(build, shape, [&](size_t rows) {
                             MatmulShape m{.m = shape.out, .k = rows, .n = shape.in};
                             m.a_row = 1;
                             m.a_column = d.stride;
                             m.b_row = x.stride;
                             m.c_row = shape.in;
                             m.accumulate = true;
                             return m;
                           }));
  return make_kernel([=, pieces = std::move(pieces), table = &simd()](const TileContext& context) {
    const float* gradient = d.at(context);
    const float* input = x.at(context);
    float* weights = dw.at(context);
    for_pieces(
        pieces, context.rows,
        [&](const Matmul& matmul, size_t r) {
          matmul.run(context.worker, gradient + r * d.stride, input + r * x.stride, nullptr, weights);
        },
        [&](size_t r, size_t rows) {
          table->linear_dw(rows, shape.in, shape.out, gradient + r * d.stride, d.stride, input + r * x.stride, x.stride,
                           weights);
        });
    if (has_bias) table->column_sum(context.rows, shape.out, gradient, d.stride, db.at(context));
  });
}

}  // namespace prerank::cpu
