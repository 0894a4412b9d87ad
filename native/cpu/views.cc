// concat, slice and stopGradient stay in the plan for other runtimes; here their operands share memory already.
#include "cpu/views.h"

#include "cpu/operands.h"
#include "cpu/ops.h"

namespace prerank::cpu {
namespace {

KernelResult nothing() {
  return make_kernel([](const TileContext&) {});
}

Status check_alias(const KernelBuild& build, const PlanValue& part, const PlanValue& whole) {
  if (part.root == whole.root) return {};
  return invalid(build, "value '" + part.name + "' does not lie in '" + whole.name + "'");
}

}  // namespace

Status check_concat(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, build.op->inputs.size(), 1));
  for (size_t i = 0; i < build.op->inputs.size(); ++i) {
    PRERANK_RETURN_IF_ERROR(check_alias(build, build.input(i), build.output(0)));
  }
  return {};
}

Status check_part(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 1, 1));
  return check_alias(build, build.output(0), build.input(0));
}

KernelResult make_concat(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_concat(build));
  return nothing();
}

KernelResult make_slice(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_part(build));
  return nothing();
}

KernelResult make_stop_gradient(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_part(build));
  return nothing();
}

}  // namespace prerank::cpu
