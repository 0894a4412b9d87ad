// y = activation(x W^T + b).
#include <optional>
#include <utility>

#include "cpu/linear_shape.h"
#include "cpu/ops.h"
#include "cpu/packed_weight.h"

namespace prerank::cpu {

Result<LinearShape> linear_shape(const KernelBuild& build, const PlanValue& weight, size_t in, size_t out) {
  const bool fits = weight.domain == Domain::kNone && weight.shape.size() == 2 &&
                    weight.shape[0] == static_cast<int64_t>(out) && weight.shape[1] == static_cast<int64_t>(in);
  if (!fits) {
    return invalid(build, "'" + weight.name + "' is not [" + std::to_string(out) + ", " + std::to_string(in) + "]");
  }
  return LinearShape{in, out};
}

Result<std::optional<MapFunction>> linear_activation(const KernelBuild& build) {
  const auto found = build.op->strings.find("activation");
  if (found == build.op->strings.end() || found->second == "none") return std::optional<MapFunction>();
  PRERANK_ASSIGN_OR_RETURN(const MapFunction function, map_function(build, "activation"));
  if (function != kRelu && function != kSigmoid && function != kTanh) {
    return invalid(build, "no activation '" + found->second + "'");
  }
  return std::optional<MapFunction>(function);
}

namespace {

struct LinearOperands {
  LinearShape shape;
  std::optional<MapFunction> activation;
  View x, w;
  std::optional<View> bias;
  View y;

  const float* bias_at(const TileContext& context) const { return bias ? bias->at(context) : nullptr; }
  void activate(const TileContext& context, const SimdTable& simd) const {
    if (activation) simd.map[*activation](context.rows, shape.out, y.at(context), y.stride, y.at(context), y.stride);
  }
};

class ThinLinear final : public Kernel {
 public:
  explicit ThinLinear(const LinearOperands& operands) : o_(operands), simd_(&simd()) {}

  void run(const TileContext& context) const override {
    simd_->linear(context.rows, o_.shape.in, o_.shape.out, o_.x.at(context), o_.x.stride, o_.w.at(context),
                  o_.bias_at(context), o_.y.at(context), o_.y.stride);
    o_.activate(context, *simd_);
  }

 private:
  LinearOperands o_;
  const SimdTable* simd_;
};

class PackedLinear final : public Kernel {
 public:
  PackedLinear(const LinearOperands& operands, PackedWeight weight)
      : o_(operands), weight_(std::move(weight)), simd_(&simd()) {}

  void prepare(const TileContext& context) override { weight_.pack(context); }

  void run(const TileContext& context) const override {
    const bool relu = o_.activation == kRelu;
    weight_.multiply(context, {.bias = o_.bias_at(context), .relu = relu});
    if (!relu) o_.activate(context, *simd_);
  }
  size_t scratch() const override { return weight_.scratch(); }

 private:
  LinearOperands o_;
  PackedWeight weight_;
  const SimdTable* simd_;
};

}  // namespace

KernelResult make_linear(const KernelBuild& build) {
  const bool has_bias = build.op->inputs.size() == 3;
  PRERANK_RETURN_IF_ERROR(check_arity(build, has_bias ? 3 : 2, 1));
  LinearOperands o;
  PRERANK_ASSIGN_OR_RETURN(o.activation, linear_activation(build));
  PRERANK_ASSIGN_OR_RETURN(o.x, row_input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(o.w, input_view_of(build, 1, Domain::kNone));
  PRERANK_ASSIGN_OR_RETURN(o.y, output_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(o.shape, linear_shape(build, build.input(1), o.x.width, o.y.width));
  if (has_bias) {
    PRERANK_ASSIGN_OR_RETURN(o.bias, input_view_of(build, 2, Domain::kNone));
    PRERANK_RETURN_IF_ERROR(check_width(build, "the bias", o.bias->width, o.shape.out));
  }
  if (is_thin(build, o.shape)) return std::unique_ptr<Kernel>(std::make_unique<ThinLinear>(o));
  PRERANK_ASSIGN_OR_RETURN(PackedWeight weight,
                           PackedWeight::create(build, {o.x, o.w, o.y, 1, o.shape.in}));
  return std::unique_ptr<Kernel>(std::make_unique<PackedLinear>(o, std::move(weight)));
}

}  // namespace prerank::cpu
