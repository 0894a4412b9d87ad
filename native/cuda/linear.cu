// y = activation(x W^T + b), with the bias and a ReLU in the product's epilogue, and its gradients: dX = D W (0 where
// the output of a ReLU below is), dW += D^T X, db += column sums of D, with D the gradient before the activation. Where
// cuBLASLt has epilogues for them, a ReLU's mask, the zeros of dX and the column sums cost no pass of their own.
#include <optional>
#include <utility>

#include "cpu/linear_shape.h"
#include "cuda/elementwise.h"
#include "cuda/functions.h"
#include "cuda/linear_links.h"
#include "cuda/ops.h"
#include "cuda/products.h"
#include "cuda/row_reduction.h"

namespace prerank::cuda {
namespace {

// A view's rows as an operand; the one row of domain none is its own stride.
ProductOperand rows_of(const View& view, const DeviceContext& context) {
  return {view.at(context), view.stride > 0 ? view.stride : view.width, false};
}

class LinearKernel final : public DeviceKernel {
 public:
  LinearKernel(std::shared_ptr<const Products> products, View x, View w, std::optional<View> bias, View y,
               std::optional<cpu::MapFunction> activation, std::shared_ptr<LinearLinks::Mask> mask)
      : product_(std::move(products)),
        x_(x),
        w_(w),
        bias_(bias),
        y_(y),
        activation_(activation),
        mask_(std::move(mask)) {}

  Status enqueue(const DeviceContext& context) const override {
    if (context.rows == 0) return {};
    const ProductOperand y = rows_of(y_, context);
    ProductProblem problem = {.m = context.rows,
                              .n = y_.width,
                              .k = x_.width,
                              .a = rows_of(x_, context),
                              .b = {w_.at(context), x_.width, true},
                              .c = y_.at(context),
                              .c_stride = y.stride,
                              .bias = bias_ ? bias_->at(context) : nullptr,
                              .relu = activation_ == cpu::kRelu};
    if (mask_ != nullptr) {
      problem.mask = mask_->bits;
      PRERANK_ASSIGN_OR_RETURN(mask_->written, product_.try_enqueue(problem, context.stream));
      if (mask_->written) return {};
      problem.mask = {};
    }
    PRERANK_RETURN_IF_ERROR(product_.enqueue(problem, context.stream));
    if (activation_ == cpu::kSigmoid) return enqueue_map(context, Sigmoid(), y_, y_);
    if (activation_ == cpu::kTanh) return enqueue_map(context, Tanh(), y_, y_);
    return {};
  }

 private:
  mutable LayerProducts product_;
  View x_, w_;
  std::optional<View> bias_;
  View y_;
  std::optional<cpu::MapFunction> activation_;
  std::shared_ptr<LinearLinks::Mask> mask_;
};

class LinearDxKernel final : public DeviceKernel {
 public:
  // mask: of the gate; sums: of dX.
  LinearDxKernel(std::shared_ptr<const Products> products, View d, View w, View dx, std::optional<View> gate,
                 std::shared_ptr<LinearLinks::Mask> mask, std::shared_ptr<LinearLinks::Sums> sums)
      : product_(std::move(products)),
        d_(d),
        w_(w),
        dx_(dx),
        gate_(gate),
        mask_(std::move(mask)),
        sums_(std::move(sums)) {}

  Status enqueue(const DeviceContext& context) const override {
    if (context.rows == 0) return {};
    const ProductOperand dx = rows_of(dx_, context);
    ProductProblem problem = {.m = context.rows,
                              .n = dx_.width,
                              .k = d_.width,
                              .a = rows_of(d_, context),
                              .b = {w_.at(context), dx_.width, false},
                              .c = dx_.at(context),
                              .c_stride = dx.stride};
    PRERANK_ASSIGN_OR_RETURN(const bool gated, enqueue_gated(problem, context.stream));
    if (gated) return {};
    PRERANK_RETURN_IF_ERROR(product_.enqueue(problem, context.stream));
    return gate_ ? enqueue_zip(context, ReluGrad(), dx_, *gate_, dx_) : Status();
  }

 private:
  Result<bool> enqueue_gated(ProductProblem problem, cudaStream_t stream) const {
    if (sums_ != nullptr) sums_->written = false;
    if (mask_ == nullptr || !mask_->written) return false;
    problem.mask = mask_->bits;
    if (sums_ == nullptr) return product_.try_enqueue(problem, stream);
    problem.sums = sums_->data;
    PRERANK_ASSIGN_OR_RETURN(sums_->written, product_.try_enqueue(problem, stream));
    if (sums_->written) return true;
    problem.sums = nullptr;
    return product_.try_enqueue(problem, stream);
  }

  mutable LayerProducts product_;
  View d_, w_, dx_;
  std::optional<View> gate_;
  std::shared_ptr<LinearLinks::Mask> mask_;
  std::shared_ptr<LinearLinks::Sums> sums_;
};

class LinearDwKernel final : public DeviceKernel {
 public:
  LinearDwKernel(std::shared_ptr<const Products> products, View d, View x, View dw, std::optional<View> db,
                 DeviceBuffer scratch, std::shared_ptr<LinearLinks::Sums> sums)
      : product_(std::move(products)),
        d_(d),
        x_(x),
        dw_(dw),
        db_(db),
        scratch_(std::move(scratch)),
        sums_(std::move(sums)) {}

  Status enqueue(const DeviceContext& context) const override {
    if (context.rows == 0) return {};
    ProductOperand d = rows_of(d_, context);
    const ProductProblem problem = {.m = d_.width,
                                    .n = x_.width,
                                    .k = context.rows,
                                    .a = {d.data, d.stride, true},
                                    .b = rows_of(x_, context),
                                    .c = dw_.at(context),
                                    .c_stride = x_.width,
                                    .accumulate = true};
    PRERANK_RETURN_IF_ERROR(product_.enqueue(problem, context.stream));
    if (!db_) return {};
    if (sums_ != nullptr && sums_->written) {
      return add_column_sums(context.stream, 1, d_.width, sums_->data, d_.width, nullptr, db_->at(context));
    }
    return add_column_sums(context.stream, context.rows, d_.width, d.data, d.stride, scratch_.as<float>(),
                           db_->at(context));
  }

 private:
  mutable LayerProducts product_;
  View d_, x_, dw_;
  std::optional<View> db_;
  DeviceBuffer scratch_;
  std::shared_ptr<LinearLinks::Sums> sums_;
};

}  // namespace

DeviceKernelResult make_linear(const DeviceBuild& build) {
  const bool has_bias = build.op->inputs.size() == 3;
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, has_bias ? 3 : 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const auto activation, cpu::linear_activation(build));
  PRERANK_ASSIGN_OR_RETURN(const View x, cpu::row_input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View w, cpu::input_view_of(build, 1, Domain::kNone));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::linear_shape(build, build.input(1), x.width, y.width).status());
  std::optional<View> bias;
  if (has_bias) {
    PRERANK_ASSIGN_OR_RETURN(bias, cpu::input_view_of(build, 2, Domain::kNone));
    PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the bias", bias->width, y.width));
  }
  auto mask = build.links == nullptr || activation != cpu::kRelu ? nullptr : build.links->mask(build.op->outputs[0]);
  return std::unique_ptr<DeviceKernel>(
      std::make_unique<LinearKernel>(build.products, x, w, bias, y, activation, std::move(mask)));
}

DeviceKernelResult make_linear_dx(const DeviceBuild& build) {
  const bool gated = build.op->inputs.size() == 3;
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, gated ? 3 : 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View d, cpu::row_input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View w, cpu::input_view_of(build, 1, Domain::kNone));
  PRERANK_ASSIGN_OR_RETURN(const View dx, cpu::output_view(build, 0));
  std::optional<View> gate;
  if (gated) {
    PRERANK_ASSIGN_OR_RETURN(gate, cpu::row_input_view(build, 2));
    PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the gate", gate->width, dx.width));
  }
  PRERANK_RETURN_IF_ERROR(cpu::linear_shape(build, build.input(1), dx.width, d.width).status());
  const bool linked = build.links != nullptr && gated;
  auto mask = linked ? build.links->mask(build.op->inputs[2]) : nullptr;
  auto sums = linked ? build.links->sums(build.op->outputs[0]) : nullptr;
  return std::unique_ptr<DeviceKernel>(
      std::make_unique<LinearDxKernel>(build.products, d, w, dx, gate, std::move(mask), std::move(sums)));
}

DeviceKernelResult make_linear_dw(const DeviceBuild& build) {
  const bool has_bias = build.op->outputs.size() == 2;
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 2, has_bias ? 2 : 1));
  PRERANK_ASSIGN_OR_RETURN(const View d, cpu::row_input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View x, cpu::row_input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View dw, cpu::accumulator_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::linear_shape(build, build.output(0), x.width, d.width).status());
  std::optional<View> db;
  DeviceBuffer scratch;
  if (has_bias) {
    PRERANK_ASSIGN_OR_RETURN(db, cpu::accumulator_view(build, 1));
    PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the bias", db->width, d.width));
    PRERANK_ASSIGN_OR_RETURN(scratch, DeviceBuffer::floats(column_sum_scratch(build.rows, d.width), build.op->layer));
  }
  auto sums = build.links != nullptr && has_bias ? build.links->sums(build.op->inputs[0]) : nullptr;
  return std::unique_ptr<DeviceKernel>(
      std::make_unique<LinearDwKernel>(build.products, d, x, dw, db, std::move(scratch), std::move(sums)));
}

}  // namespace prerank::cuda
