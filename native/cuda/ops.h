// Factories of the CUDA kernels, one operation (with its gradient) a file; registry.cc names them.
#pragma once

#include "cuda/kernel.h"

namespace prerank::cuda {

DeviceKernelResult make_activation(const DeviceBuild& build);
DeviceKernelResult make_activation_grad(const DeviceBuild& build);
DeviceKernelResult make_linear(const DeviceBuild& build);
DeviceKernelResult make_linear_dx(const DeviceBuild& build);
DeviceKernelResult make_linear_dw(const DeviceBuild& build);
DeviceKernelResult make_cross_entropy(const DeviceBuild& build);
DeviceKernelResult make_dot_interaction(const DeviceBuild& build);
DeviceKernelResult make_dot_interaction_grad(const DeviceBuild& build);
DeviceKernelResult make_loss(const DeviceBuild& build);
DeviceKernelResult make_pairwise_rank(const DeviceBuild& build);
DeviceKernelResult make_pairwise_rank_grad(const DeviceBuild& build);
DeviceKernelResult make_add(const DeviceBuild& build);
DeviceKernelResult make_sub(const DeviceBuild& build);
DeviceKernelResult make_mul(const DeviceBuild& build);
DeviceKernelResult make_div(const DeviceBuild& build);
DeviceKernelResult make_affine(const DeviceBuild& build);
DeviceKernelResult make_unary(const DeviceBuild& build);
DeviceKernelResult make_unary_grad(const DeviceBuild& build);
DeviceKernelResult make_softmax(const DeviceBuild& build);
DeviceKernelResult make_softmax_grad(const DeviceBuild& build);
DeviceKernelResult make_log_sum_exp(const DeviceBuild& build);
DeviceKernelResult make_weighted_sum(const DeviceBuild& build);
DeviceKernelResult make_weighted_sum_grad(const DeviceBuild& build);
DeviceKernelResult make_scale_groups(const DeviceBuild& build);
DeviceKernelResult make_group_dot(const DeviceBuild& build);
DeviceKernelResult make_row_dot(const DeviceBuild& build);
DeviceKernelResult make_row_sum(const DeviceBuild& build);
DeviceKernelResult make_sum_rows(const DeviceBuild& build);
DeviceKernelResult make_dropout(const DeviceBuild& build);
DeviceKernelResult make_dropout_grad(const DeviceBuild& build);
DeviceKernelResult make_hard_concrete(const DeviceBuild& build);
DeviceKernelResult make_hard_concrete_grad(const DeviceBuild& build);
DeviceKernelResult make_copy(const DeviceBuild& build);
DeviceKernelResult make_zero(const DeviceBuild& build);
DeviceKernelResult make_constant(const DeviceBuild& build);
DeviceKernelResult make_add_into(const DeviceBuild& build);
DeviceKernelResult make_expand(const DeviceBuild& build);
DeviceKernelResult make_expand_grad(const DeviceBuild& build);
DeviceKernelResult make_concat(const DeviceBuild& build);
DeviceKernelResult make_slice(const DeviceBuild& build);
DeviceKernelResult make_stop_gradient(const DeviceBuild& build);
DeviceKernelResult make_embedding(const DeviceBuild& build);

}  // namespace prerank::cuda
