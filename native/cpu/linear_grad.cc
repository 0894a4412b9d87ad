// Gradients of linear: dX = D W (0 where the output of a ReLU below is), dW += D^T X, db += column sums of D, with D the gradient before the activation.
#include <optional>
#include <utility>

#include "cpu/linear_shape.h"
#include "cpu/ops.h"
#include "cpu/packed_weight.h"
#include "cpu/scratch.h"

namespace prerank::cpu {
namespace {

class PackedLinearDx final : public Kernel {
 public:
  PackedLinearDx(PackedWeight weight, std::optional<View> gate) : weight_(std::move(weight)), gate_(gate) {}

  void prepare(const TileContext& context) override { weight_.pack(context); }
  void run(const TileContext& context) const override {
    PackedWeight::Finish finish;
    if (gate_) finish.gate = gate_->at(context), finish.gate_stride = gate_->stride;
    weight_.multiply(context, finish);
  }

 private:
  PackedWeight weight_;
  std::optional<View> gate_;
};

}  // namespace

KernelResult make_linear_dx(const KernelBuild& build) {
  const bool gated = build.op->inputs.size() == 3;
  PRERANK_RETURN_IF_ERROR(check_arity(build, gated ? 3 : 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View d, row_input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View w, input_view_of(build, 1, Domain::kNone));
  PRERANK_ASSIGN_OR_RETURN(const View dx, output_view(build, 0));
  std::optional<View> gate;
  if (gated) {
    PRERANK_ASSIGN_OR_RETURN(gate, row_input_view(build, 2));
    PRERANK_RETURN_IF_ERROR(check_width(build, "the gate", gate->width, dx.width));
  }
  PRERANK_ASSIGN_OR_RETURN(const LinearShape shape, linear_shape(build, build.input(1), dx.width, d.width));
  if (is_thin(build, shape)) {
    return make_kernel([=, table = &simd()](const TileContext& context) {
      float* result = dx.at(context);
      table->linear_dx(context.rows, shape.in, shape.out, d.at(context), d.stride, w.at(context), result, dx.stride);
      if (!gate) return;
      table->map_grad[kRelu](context.rows, dx.width, result, dx.stride, gate->at(context), gate->stride, result,
                             dx.stride);
    });
  }
  PRERANK_ASSIGN_OR_RETURN(PackedWeight weight, PackedWeight::create(build, {d, w, dx, shape.in, 1}));
  return std::unique_ptr<Kernel>(std::make_unique<PackedLinearDx>(std::move(weight), gate));
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
  const bool thin = is_thin(build, shape);
  const SimdTable* const table = &simd();
  const ProductFunctions* const products = &products_of(build);
  PRERANK_ASSIGN_OR_RETURN(
      Scratch scratch, Scratch::create(thin ? 0 : products->transposed_product_scratch(shape.in), build.workers));
  return make_kernel([=, scratch = std::move(scratch)](const TileContext& context) {
    const float* gradient = d.at(context);
    if (thin) {
      table->linear_dw(context.rows, shape.in, shape.out, gradient, d.stride, x.at(context), x.stride, dw.at(context));
    } else {
      products->transposed_product({context.rows, shape.out, shape.in, gradient, d.stride, x.at(context), x.stride,
                                 dw.at(context), scratch.of(context.worker)});
    }
    if (has_bias) table->column_sum(context.rows, shape.out, gradient, d.stride, db.at(context));
  });
}

}  // namespace prerank::cpu
