// Hard concrete gates and their gradient: both draw the noise anew from Philox(seed, step, op id, element).
// In double, as the CPU's: there are few gates.
#include "base/philox.h"
#include "cpu/noise.h"
#include "cuda/elementwise.h"
#include "cuda/ops.h"

namespace prerank::cuda {
namespace {

__device__ double clamp_between(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

__device__ double logistic(double x) { return 1 / (1 + exp(-x)); }

// logit u for the gate `i` of this step, u uniform and clipped.
__device__ double noise_logit(uint32_t op, const StepNumbers& numbers, size_t i) {
  const PhiloxCounter words = philox4x32({static_cast<uint32_t>(i / 4), 0, op, static_cast<uint32_t>(numbers.step)},
                                         philox_key(numbers.seed));
  const double u = clamp_between((static_cast<double>(words[i % 4]) + 0.5) * 0x1p-32, 1e-5, 1 - 1e-5);
  return log(u / (1 - u));
}

// Before stretching; in prediction there is no noise and no temperature.
__device__ double relaxed_gate(const cpu::ConcreteSettings& s, const StepNumbers& numbers, size_t i, double logit) {
  return numbers.training != 0 ? logistic((noise_logit(s.op, numbers, i) + logit) / s.temperature) : logistic(logit);
}

__global__ void draw_gates(size_t n, cpu::ConcreteSettings s, const StepNumbers* numbers, const float* logits,
                           float* z) {
  for (size_t i = first_item(); i < n; i += item_stride()) {
    const double value = relaxed_gate(s, *numbers, i, static_cast<double>(logits[i]));
    z[i] = static_cast<float>(clamp_between(value * (s.high - s.low) + s.low, 0, 1));
  }
}

__global__ void draw_gates_grad(size_t n, cpu::ConcreteSettings s, const StepNumbers* numbers, const float* dz,
                                const float* logits, float* dx) {
  for (size_t i = first_item(); i < n; i += item_stride()) {
    const double value = relaxed_gate(s, *numbers, i, static_cast<double>(logits[i]));
    const double stretched = value * (s.high - s.low) + s.low;
    const double slope = stretched > 0 && stretched < 1 ? (s.high - s.low) * value * (1 - value) / s.temperature : 0;
    dx[i] = static_cast<float>(static_cast<double>(dz[i]) * slope);
  }
}

}  // namespace

DeviceKernelResult make_hard_concrete(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View logits, cpu::input_view_of(build, 0, Domain::kNone));
  PRERANK_ASSIGN_OR_RETURN(const View z, cpu::accumulator_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the result", z.width, logits.width));
  PRERANK_ASSIGN_OR_RETURN(const cpu::ConcreteSettings s, cpu::concrete_settings(build));
  return make_device_kernel([=](const DeviceContext& context) {
    return launch(context.stream, blocks_for(z.width), kBlockThreads, draw_gates, z.width, s, context.device.numbers,
                  logits.at(context), z.at(context));
  });
}

DeviceKernelResult make_hard_concrete_grad(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View dz, cpu::input_view_of(build, 0, Domain::kNone));
  PRERANK_ASSIGN_OR_RETURN(const View logits, cpu::input_view_of(build, 1, Domain::kNone));
  PRERANK_ASSIGN_OR_RETURN(const View dx, cpu::accumulator_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "dZ", dz.width, dx.width));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the logits", logits.width, dx.width));
  PRERANK_ASSIGN_OR_RETURN(const cpu::ConcreteSettings s, cpu::concrete_grad_settings(build));
  return make_device_kernel([=](const DeviceContext& context) {
    return launch(context.stream, blocks_for(dx.width), kBlockThreads, draw_gates_grad, dx.width, s,
                  context.device.numbers, dz.at(context), logits.at(context), dx.at(context));
  });
}

}  // namespace prerank::cuda
