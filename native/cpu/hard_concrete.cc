// Hard concrete gates and their gradient: both draw the noise anew from Philox(seed, step, op id, element).
#include <algorithm>
#include <cmath>

#include "base/philox.h"
#include "cpu/noise.h"
#include "cpu/operands.h"
#include "cpu/ops.h"

namespace prerank::cpu {
namespace {

Result<ConcreteSettings> noisy_settings(const KernelBuild& build, double op) {
  const ConcreteSettings s = {build.number("temperature", 0), build.number("low", 0), build.number("high", 1),
                              static_cast<uint32_t>(op)};
  if (!(s.temperature > 0)) return invalid(build, "its temperature must be above 0");
  if (!(s.low <= 0 && s.high >= 1)) return invalid(build, "it must stretch [0, 1], not cut it");
  if (!(op >= 0 && op <= 0x7fffffff)) return invalid(build, "attribute 'maskOf' is missing");
  return s;
}

// logit u for the gate `i` of this step, u uniform and clipped.
double noise_logit(const TileContext& context, uint32_t op, size_t i) {
  const PhiloxCounter words = philox4x32({static_cast<uint32_t>(i / 4), 0, op, static_cast<uint32_t>(context.step)},
                                         philox_key(context.seed));
  const double u = std::clamp((static_cast<double>(words[i % 4]) + 0.5) * 0x1p-32, 1e-5, 1 - 1e-5);
  return std::log(u / (1 - u));
}

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

// Before stretching; in prediction there is no noise and no temperature.
double relaxed(const ConcreteSettings& s, const TileContext& context, size_t i, double logit) {
  return context.training ? logistic((noise_logit(context, s.op, i) + logit) / s.temperature) : logistic(logit);
}

}  // namespace

Result<ConcreteSettings> concrete_settings(const KernelBuild& build) { return noisy_settings(build, build.op->id); }

Result<ConcreteSettings> concrete_grad_settings(const KernelBuild& build) {
  return noisy_settings(build, build.number("maskOf", -1));
}

KernelResult make_hard_concrete(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View logits, input_view_of(build, 0, Domain::kNone));
  PRERANK_ASSIGN_OR_RETURN(const View z, accumulator_view(build, 0));
  PRERANK_RETURN_IF_ERROR(check_width(build, "the result", z.width, logits.width));
  PRERANK_ASSIGN_OR_RETURN(const ConcreteSettings s, concrete_settings(build));
  return make_kernel([=](const TileContext& context) {
    for (size_t i = 0; i < z.width; ++i) {
      const double value = relaxed(s, context, i, static_cast<double>(logits.at(context)[i]));
      z.at(context)[i] = static_cast<float>(std::clamp(value * (s.high - s.low) + s.low, 0.0, 1.0));
    }
  });
}

KernelResult make_hard_concrete_grad(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View dz, input_view_of(build, 0, Domain::kNone));
  PRERANK_ASSIGN_OR_RETURN(const View logits, input_view_of(build, 1, Domain::kNone));
  PRERANK_ASSIGN_OR_RETURN(const View dx, accumulator_view(build, 0));
  PRERANK_RETURN_IF_ERROR(check_width(build, "dZ", dz.width, dx.width));
  PRERANK_RETURN_IF_ERROR(check_width(build, "the logits", logits.width, dx.width));
  PRERANK_ASSIGN_OR_RETURN(const ConcreteSettings s, concrete_grad_settings(build));
  return make_kernel([=](const TileContext& context) {
    for (size_t i = 0; i < dx.width; ++i) {
      const double value = relaxed(s, context, i, static_cast<double>(logits.at(context)[i]));
      const double stretched = value * (s.high - s.low) + s.low;
      const double slope = stretched > 0 && stretched < 1 ? (s.high - s.low) * value * (1 - value) / s.temperature : 0;
      dx.at(context)[i] = static_cast<float>(static_cast<double>(dz.at(context)[i]) * slope);
    }
  });
}

}  // namespace prerank::cpu
