#include "cuda/elementwise.h"
#include "cuda/functions.h"
#include "cuda/ops.h"

namespace prerank::cuda {
namespace {

// Calls `make` with the function object of an activation's name.
template <class OfRelu, class OfSigmoid, class OfTanh, class Make>
DeviceKernelResult with_activation(const DeviceBuild& build, Make make) {
  PRERANK_ASSIGN_OR_RETURN(const cpu::MapFunction function, cpu::map_function(build, "activation"));
  if (function == cpu::kRelu) return make(OfRelu());
  if (function == cpu::kSigmoid) return make(OfSigmoid());
  if (function == cpu::kTanh) return make(OfTanh());
  return cpu::invalid(build, "activation is relu, sigmoid or tanh");
}

}  // namespace

DeviceKernelResult make_activation(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, cpu::input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the input", x.width, y.width));
  return with_activation<Relu, Sigmoid, Tanh>(build, [x, y](auto function) -> DeviceKernelResult {
    return make_device_kernel([=](const DeviceContext& context) { return enqueue_map(context, function, x, y); });
  });
}

DeviceKernelResult make_activation_grad(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View dy, cpu::input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View dx, cpu::output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "dY", dy.width, dx.width));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "y", y.width, dx.width));
  return with_activation<ReluGrad, SigmoidGrad, TanhGrad>(build, [dy, y, dx](auto function) -> DeviceKernelResult {
    return make_device_kernel([=](const DeviceContext& context) { return enqueue_zip(context, function, dy, y, dx); });
  });
}

}  // namespace prerank::cuda
