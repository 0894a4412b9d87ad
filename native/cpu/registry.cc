#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cpu/operands.h"
#include "cpu/ops.h"
#include "prerank/kernel.h"

namespace prerank {
namespace {

const std::map<std::string, KernelFactory>& factories() {
  static const std::map<std::string, KernelFactory> table = {
      {"embedding", cpu::make_embedding},
      {"linear", cpu::make_linear},
      {"linear.dx", cpu::make_linear_dx},
      {"linear.dw", cpu::make_linear_dw},
      {"activation", cpu::make_activation},
      {"activation.grad", cpu::make_activation_grad},
      {"add", cpu::make_add},
      {"sub", cpu::make_sub},
      {"mul", cpu::make_mul},
      {"div", cpu::make_div},
      {"affine", cpu::make_affine},
      {"unary", cpu::make_unary},
      {"unary.grad", cpu::make_unary_grad},
      {"softmax", cpu::make_softmax},
      {"softmax.grad", cpu::make_softmax_grad},
      {"logSumExp", cpu::make_log_sum_exp},
      {"weightedSum", cpu::make_weighted_sum},
      {"weightedSum.grad", cpu::make_weighted_sum_grad},
      {"scaleGroups", cpu::make_scale_groups},
      {"groupDot", cpu::make_group_dot},
      {"dotInteraction", cpu::make_dot_interaction},
      {"dotInteraction.grad", cpu::make_dot_interaction_grad},
      {"rowDot", cpu::make_row_dot},
      {"rowSum", cpu::make_row_sum},
      {"sumRows", cpu::make_sum_rows},
      {"dropout", cpu::make_dropout},
      {"dropout.grad", cpu::make_dropout_grad},
      {"hardConcrete", cpu::make_hard_concrete},
      {"hardConcrete.grad", cpu::make_hard_concrete_grad},
      {"copy", cpu::make_copy},
      {"zero", cpu::make_zero},
      {"constant", cpu::make_constant},
      {"addInto", cpu::make_add_into},
      {"expand", cpu::make_expand},
      {"expand.grad", cpu::make_expand_grad},
      {"concat", cpu::make_concat},
      {"slice", cpu::make_slice},
      {"stopGradient", cpu::make_stop_gradient},
      {"loss", cpu::make_loss},
      {"crossEntropy", cpu::make_cross_entropy},
      {"pairwiseRank", cpu::make_pairwise_rank},
      {"pairwiseRank.grad", cpu::make_pairwise_rank_grad},
  };
  return table;
}

}  // namespace

Result<std::unique_ptr<Kernel>> make_cpu_kernel(const KernelBuild& build) {
  const auto found = factories().find(build.op->kind);
  if (found == factories().end()) {
    return Status(Code::kUnsupported, build.op->layer + ": no CPU kernel for operation '" + build.op->kind + "'");
  }
  PRERANK_RETURN_IF_ERROR(cpu::check_values(build));
  return found->second(build);
}

std::vector<std::string> cpu_kernel_kinds() {
  std::vector<std::string> kinds;
  for (const auto& entry : factories()) kinds.push_back(entry.first);
  return kinds;
}

}  // namespace prerank
