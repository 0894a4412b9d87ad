// Gradients of linear: dX = D W (0 where the output of a ReLU below is), dW += D^T X, db += column sums of D, with D the gradient before the activation.
#include <optional>
#include <utility>

#include "cpu/linear_shape.h"
#include "cpu/ops.h"
#include "cpu/packed_weight.h"

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
  size_t scratch() const override { return weight_.scratch(); }

 private:
  PackedWeight weight_;
  std::optional<View> gate_;
};

class LinearDw final : public Kernel {
 public:
  // Thin layers have no `products`.
  LinearDw(const View& d, const View& x, const View& dw, const std::optional<View>& db, LinearShape shape,
           const ProductFunctions* products)
      : d_(d), x_(x), dw_(dw), db_(db), shape_(shape), products_(products), simd_(&simd()) {}

  void run(const TileContext& context) const override {
    const float *const d = d_.at(context), *const x = x_.at(context);
    float* const dw = dw_.at(context);
    if (products_ == nullptr) {
      simd_->linear_dw(context.rows, shape_.in, shape_.out, d, d_.stride, x, x_.stride, dw);
    } else {
      products_->transposed_product({context.rows, shape_.out, shape_.in, d, d_.stride, x, x_.stride, dw,
                                     context.scratch});
    }
    if (db_) simd_->column_sum(context.rows, shape_.out, d, d_.stride, db_->at(context));
  }
  size_t scratch() const override {
    return products_ == nullptr ? 0 : products_->transposed_product_scratch(shape_.in);
  }

 private:
  View d_, x_, dw_;
  std::optional<View> db_;
  LinearShape shape_;
  const ProductFunctions* products_;
  const SimdTable* simd_;
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
  std::optional<View> db;
  if (has_bias) {
    PRERANK_ASSIGN_OR_RETURN(db, accumulator_view(build, 1));
    PRERANK_RETURN_IF_ERROR(check_width(build, "the bias", db->width, shape.out));
  }
  const ProductFunctions* const products = is_thin(build, shape) ? nullptr : &products_of(build);
  return std::unique_ptr<Kernel>(std::make_unique<LinearDw>(d, x, dw, db, shape, products));
}

}  // namespace prerank::cpu
