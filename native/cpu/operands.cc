#include "cpu/operands.h"

#include <array>
#include <string_view>

namespace prerank::cpu {
namespace {

Result<View> view_of(const KernelBuild& build, int32_t id) {
  const PlanValue& value = build.plan->values[static_cast<size_t>(id)];
  if (value.width <= 0 || value.stride < 0) return invalid(build, "value '" + value.name + "' has no width");
  const bool rows = value.domain != Domain::kNone;
  if (rows && value.stride < value.width) {
    return invalid(build, "rows of value '" + value.name + "' overlap: stride " + std::to_string(value.stride) +
                              ", width " + std::to_string(value.width));
  }
  return View{static_cast<size_t>(id), rows ? static_cast<size_t>(value.stride) : 0, static_cast<size_t>(value.width)};
}

Status wrong_domain(const KernelBuild& build, const PlanValue& value) {
  return invalid(build, "value '" + value.name + "' is of another domain than the operation takes");
}

}  // namespace

Status invalid(const KernelBuild& build, const std::string& message) {
  return {Code::kInvalidArgument, build.op->layer + " (" + build.op->kind + "): " + message};
}

Status check_values(const KernelBuild& build) {
  for (const std::vector<int32_t>* list : {&build.op->inputs, &build.op->outputs}) {
    for (const int32_t id : *list) {
      if (id < 0 || static_cast<size_t>(id) >= build.plan->values.size()) {
        return invalid(build, "no value " + std::to_string(id) + " in the plan");
      }
    }
  }
  return {};
}

Status check_arity(const KernelBuild& build, size_t inputs, size_t outputs) {
  if (build.op->inputs.size() != inputs || build.op->outputs.size() != outputs) {
    return invalid(build, "takes " + std::to_string(inputs) + " inputs and " + std::to_string(outputs) +
                              " outputs, not " + std::to_string(build.op->inputs.size()) + " and " +
                              std::to_string(build.op->outputs.size()));
  }
  return {};
}

Status check_width(const KernelBuild& build, const char* what, size_t width, size_t expected) {
  if (width == expected) return {};
  return invalid(build,
                 std::string(what) + " has width " + std::to_string(width) + ", expected " + std::to_string(expected));
}

Result<View> input_view(const KernelBuild& build, size_t i) {
  const PlanValue& value = build.input(i);
  if (value.domain != build.segment_domain && value.domain != Domain::kNone) return wrong_domain(build, value);
  return view_of(build, build.op->inputs[i]);
}

Result<View> row_input_view(const KernelBuild& build, size_t i) {
  return input_view_of(build, i, build.segment_domain);
}

Result<View> output_view(const KernelBuild& build, size_t i) {
  const PlanValue& value = build.output(i);
  if (value.domain != build.segment_domain) return wrong_domain(build, value);
  return view_of(build, build.op->outputs[i]);
}

Result<View> input_view_of(const KernelBuild& build, size_t i, Domain domain) {
  const PlanValue& value = build.input(i);
  if (value.domain != domain) return wrong_domain(build, value);
  return view_of(build, build.op->inputs[i]);
}

Result<View> accumulator_view(const KernelBuild& build, size_t i) {
  const PlanValue& value = build.output(i);
  if (value.domain != Domain::kNone) return wrong_domain(build, value);
  return view_of(build, build.op->outputs[i]);
}

Result<MapFunction> map_function(const KernelBuild& build, const std::string& key) {
  constexpr std::array<std::pair<std::string_view, MapFunction>, 10> kNames = {{{"relu", kRelu},
                                                                                {"sigmoid", kSigmoid},
                                                                                {"tanh", kTanh},
                                                                                {"exp", kExp},
                                                                                {"log", kLog},
                                                                                {"softplus", kSoftplus},
                                                                                {"square", kSquare},
                                                                                {"sqrt", kSqrt},
                                                                                {"abs", kAbs},
                                                                                {"neg", kNeg}}};
  const auto found = build.op->strings.find(key);
  if (found == build.op->strings.end()) return invalid(build, "attribute '" + key + "' is missing");
  for (const auto& [name, function] : kNames) {
    if (name == found->second) return function;
  }
  return invalid(build, "no " + key + " '" + found->second + "'");
}

}  // namespace prerank::cpu
