#include "cuda/elementwise.h"
#include "cuda/functions.h"
#include "cuda/ops.h"

namespace prerank::cuda {

DeviceKernelResult make_unary(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const cpu::MapFunction name, cpu::map_function(build, "function"));
  PRERANK_ASSIGN_OR_RETURN(const View x, cpu::input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the input", x.width, y.width));
  const auto make = [&](auto function) -> DeviceKernelResult {
    return make_device_kernel([=](const DeviceContext& context) { return enqueue_map(context, function, x, y); });
  };
  switch (name) {
    case cpu::kRelu: return make(Relu());
    case cpu::kSigmoid: return make(Sigmoid());
    case cpu::kTanh: return make(Tanh());
    case cpu::kExp: return make(Exp());
    case cpu::kLog: return make(Log());
    case cpu::kSoftplus: return make(Softplus());
    case cpu::kSquare: return make(Square());
    case cpu::kSqrt: return make(Sqrt());
    case cpu::kAbs: return make(Abs());
    default: return make(Neg());
  }
}

// Some derivatives are functions of the result, the others of the operand.
DeviceKernelResult make_unary_grad(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 3, 1));
  PRERANK_ASSIGN_OR_RETURN(const cpu::MapFunction name, cpu::map_function(build, "function"));
  PRERANK_ASSIGN_OR_RETURN(const View dy, cpu::input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View x, cpu::input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::input_view(build, 2));
  PRERANK_ASSIGN_OR_RETURN(const View dx, cpu::output_view(build, 0));
  for (const View& view : {dy, x, y}) {
    PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "an input", view.width, dx.width));
  }
  const auto make = [&](auto gradient, const View& v) -> DeviceKernelResult {
    return make_device_kernel([=](const DeviceContext& context) { return enqueue_zip(context, gradient, dy, v, dx); });
  };
  switch (name) {
    case cpu::kRelu: return make(ReluGrad(), y);
    case cpu::kSigmoid: return make(SigmoidGrad(), y);
    case cpu::kTanh: return make(TanhGrad(), y);
    case cpu::kExp: return make(ExpGrad(), y);
    case cpu::kLog: return make(LogGrad(), x);
    case cpu::kSoftplus: return make(SoftplusGrad(), x);
    case cpu::kSquare: return make(SquareGrad(), x);
    case cpu::kSqrt: return make(SqrtGrad(), y);
    case cpu::kAbs: return make(AbsGrad(), x);
    default:
      return make_device_kernel([=](const DeviceContext& context) { return enqueue_map(context, Neg(), dy, dx); });
  }
}

}  // namespace prerank::cuda
