// y = activation(x W^T + b): oneDNN for pieces of a tile, own loops for thin products.
#include "cpu/linear_shape.h"
#include "cpu/ops.h"

namespace prerank::cpu {

Result<LinearShape> linear_shape(const KernelBuild& build, const PlanValue& weight, size_t in, size_t out) {
  const bool fits = weight.domain == Domain::kNone && weight.shape.size() == 2 &&
                    weight.shape[0] == static_cast<int64_t>(out) && weight.shape[1] == static_cast<int64_t>(in);
  if (!fits) {
    return invalid(build, "'" + weight.name + "' is not [" + std::to_string(out) + ", " + std::to_string(in) + "]");
  }
  return LinearShape{in, out};
}

namespace {

Result<Activation> activation_of(const KernelBuild& build) {
  const auto found = build.op->strings.find("activation");
  if (found == build.op->strings.end() || found->second == "none") return Activation::kNone;
  if (found->second == "relu") return Activation::kRelu;
  if (found->second == "sigmoid") return Activation::kSigmoid;
  if (found->second == "tanh") return Activation::kTanh;
  return invalid(build, "no activation '" + found->second + "'");
}

MapFunction map_of(Activation activation) {
  switch (activation) {
    case Activation::kSigmoid:
      return kSigmoid;
    case Activation::kTanh:
      return kTanh;
    case Activation::kRelu:
    case Activation::kNone:
      break;
  }
  return kRelu;
}

class LinearKernel final : public Kernel {
 public:
  LinearKernel(LinearShape shape, Activation activation, View x, View w, const View* b, View y,
               std::vector<Piece> pieces)
      : shape_(shape),
        activation_(activation),
        x_(x),
        w_(w),
        has_bias_(b != nullptr),
        y_(y),
        pieces_(std::move(pieces)),
        simd_(&simd()) {
    if (b != nullptr) b_ = *b;
  }

  void run(const TileContext& context) const override {
    const float* x = x_.at(context);
    const float* w = w_.at(context);
    const float* bias = has_bias_ ? b_.at(context) : nullptr;
    float* y = y_.at(context);
    for_pieces(
        pieces_, context.rows,
        [&](const Matmul& matmul, size_t r) {
          matmul.run(context.worker, x + r * x_.stride, w, bias, y + r * y_.stride);
        },
        [&](size_t r, size_t rows) {
          float* to = y + r * y_.stride;
          simd_->linear(rows, shape_.in, shape_.out, x + r * x_.stride, x_.stride, w, bias, to, y_.stride);
          if (activation_ == Activation::kNone) return;
          simd_->map[map_of(activation_)](rows, shape_.out, to, y_.stride, to, y_.stride);
        });
  }

 private:
  LinearShape shape_;
  Activation activation_;
  View x_, w_, b_;
  bool has_bias_;
  View y_;
  std::vector<Piece> pieces_;
  const SimdTable* simd_;
};

}  // namespace

KernelResult make_linear(const KernelBuild& build) {
  const bool has_bias = build.op->inputs.size() == 3;
  PRERANK_RETURN_IF_ERROR(check_arity(build, has_bias ? 3 : 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const Activation activation, activation_of(build));
  PRERANK_ASSIGN_OR_RETURN(const View x, row_input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View w, input_view_of(build, 1, Domain::kNone));
  PRERANK_ASSIGN_OR_RETURN(const View y, output_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const LinearShape shape, linear_shape(build, build.input(1), x.width, y.width));
  View b;
  if (has_bias) {
    PRERANK_ASSIGN_OR_RETURN(b, input_view_of(build, 2, Domain::kNone));
    PRERANK_RETURN_IF_ERROR(check_width(build, "the bias", b.width, shape.out));
  }
  PRERANK_ASSIGN_OR_RETURN(std::vector<Piece> pieces, make_pieces(build, shape, [&](size_t rows) {
                             MatmulShape m{.m = rows, .k = shape.in, .n = shape.out};
                             m.a_row = x.stride;
                             m.b_row = 1;
                             m.b_column = shape.in;
                             m.c_row = y.stride;
                             m.bias = has_bias;
                             m.activation = activation;
                             return m;
                           }));
  return std::unique_ptr<Kernel>(
      std::make_unique<LinearKernel>(shape, activation, x, w, has_bias ? &b : nullptr, y, std::move(pieces)));
}

}  // namespace prerank::cpu
