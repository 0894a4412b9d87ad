// Factories of the CPU kernels, one operation (with its gradient) a file; registry.cc names them.
#pragma once

#include <memory>

#include "prerank/kernel.h"

namespace prerank::cpu {

using KernelResult = Result<std::unique_ptr<Kernel>>;

KernelResult make_embedding(const KernelBuild& build);
KernelResult make_linear(const KernelBuild& build);
KernelResult make_linear_dx(const KernelBuild& build);
KernelResult make_linear_dw(const KernelBuild& build);
KernelResult make_activation(const KernelBuild& build);
KernelResult make_activation_grad(const KernelBuild& build);
KernelResult make_add(const KernelBuild& build);
KernelResult make_sub(const KernelBuild& build);
KernelResult make_mul(const KernelBuild& build);
KernelResult make_div(const KernelBuild& build);
KernelResult make_affine(const KernelBuild& build);
KernelResult make_unary(const KernelBuild& build);
KernelResult make_unary_grad(const KernelBuild& build);
KernelResult make_softmax(const KernelBuild& build);
KernelResult make_softmax_grad(const KernelBuild& build);
KernelResult make_log_sum_exp(const KernelBuild& build);
KernelResult make_weighted_sum(const KernelBuild& build);
KernelResult make_weighted_sum_grad(const KernelBuild& build);
KernelResult make_scale_groups(const KernelBuild& build);
KernelResult make_group_dot(const KernelBuild& build);
KernelResult make_dot_interaction(const KernelBuild& build);
KernelResult make_dot_interaction_grad(const KernelBuild& build);
KernelResult make_row_dot(const KernelBuild& build);
KernelResult make_row_sum(const KernelBuild& build);
KernelResult make_sum_rows(const KernelBuild& build);
KernelResult make_dropout(const KernelBuild& build);
KernelResult make_dropout_grad(const KernelBuild& build);
KernelResult make_hard_concrete(const KernelBuild& build);
KernelResult make_hard_concrete_grad(const KernelBuild& build);
KernelResult make_copy(const KernelBuild& build);
KernelResult make_zero(const KernelBuild& build);
KernelResult make_constant(const KernelBuild& build);
KernelResult make_add_into(const KernelBuild& build);
KernelResult make_expand(const KernelBuild& build);
KernelResult make_expand_grad(const KernelBuild& build);
KernelResult make_concat(const KernelBuild& build);
KernelResult make_slice(const KernelBuild& build);
KernelResult make_stop_gradient(const KernelBuild& build);
KernelResult make_cross_entropy(const KernelBuild& build);
KernelResult make_pairwise_rank(const KernelBuild& build);
KernelResult make_pairwise_rank_grad(const KernelBuild& build);
KernelResult make_loss(const KernelBuild& build);

}  // namespace prerank::cpu
