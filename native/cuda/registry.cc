#include <map>
#include <string>
#include <vector>

#include "cuda/kernel.h"
#include "cuda/ops.h"

namespace prerank::cuda {
namespace {

using DeviceFactory = DeviceKernelResult (*)(const DeviceBuild&);

const std::map<std::string, DeviceFactory>& device_factories() {
  static const std::map<std::string, DeviceFactory> table = {
      {"activation", make_activation},
      {"activation.grad", make_activation_grad},
      {"linear", make_linear},
      {"linear.dx", make_linear_dx},
      {"linear.dw", make_linear_dw},
      {"crossEntropy", make_cross_entropy},
      {"dotInteraction", make_dot_interaction},
      {"dotInteraction.grad", make_dot_interaction_grad},
      {"loss", make_loss},
      {"pairwiseRank", make_pairwise_rank},
      {"pairwiseRank.grad", make_pairwise_rank_grad},
      {"add", make_add},
      {"sub", make_sub},
      {"mul", make_mul},
      {"div", make_div},
      {"affine", make_affine},
      {"unary", make_unary},
      {"unary.grad", make_unary_grad},
      {"softmax", make_softmax},
      {"softmax.grad", make_softmax_grad},
      {"logSumExp", make_log_sum_exp},
      {"weightedSum", make_weighted_sum},
      {"weightedSum.grad", make_weighted_sum_grad},
      {"scaleGroups", make_scale_groups},
      {"groupDot", make_group_dot},
      {"rowDot", make_row_dot},
      {"rowSum", make_row_sum},
      {"sumRows", make_sum_rows},
      {"dropout", make_dropout},
      {"dropout.grad", make_dropout_grad},
      {"hardConcrete", make_hard_concrete},
      {"hardConcrete.grad", make_hard_concrete_grad},
      {"copy", make_copy},
      {"zero", make_zero},
      {"constant", make_constant},
      {"addInto", make_add_into},
      {"expand", make_expand},
      {"expand.grad", make_expand_grad},
      {"concat", make_concat},
      {"slice", make_slice},
      {"stopGradient", make_stop_gradient},
      {"embedding", make_embedding},
  };
  return table;
}

}  // namespace

DeviceKernelResult make_cuda_kernel(const DeviceBuild& build) {
  const auto found = device_factories().find(build.op->kind);
  if (found == device_factories().end()) {
    return Status(Code::kUnsupported, build.op->layer + ": no CUDA kernel for operation '" + build.op->kind + "'");
  }
  PRERANK_RETURN_IF_ERROR(cpu::check_values(build));
  return found->second(build);
}

std::vector<std::string> cuda_kernel_kinds() {
  std::vector<std::string> kinds;
  for (const auto& entry : device_factories()) kinds.push_back(entry.first);
  return kinds;
}

}  // namespace prerank::cuda
