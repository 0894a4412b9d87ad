#include <cmath>

#include "cpu/group_shape.h"
#include "cuda/group_sums.h"
#include "cuda/ops.h"

namespace prerank::cuda {
namespace {

// Reads x from memory once, then from the cache: largest, sum of exponentials, result. y may be x.
__global__ void softmax_groups(ColumnGroups e, Source x, Matrix y) {
  for (size_t first = e.share.first_of_warp(); first < e.count; first += e.share.step()) {
    const size_t unit = first + e.share.behind();
    const bool inside = unit < e.count;
    const size_t row = unit / e.groups, start = unit % e.groups * e.dim;
    const size_t end = inside ? start + e.dim : 0, step = e.share.threads();
    const float* const in = x.data + (inside ? row * x.stride : 0);
    float largest = -INFINITY, total = 0;
    for (size_t c = start + e.share.lane(); c < end; c += step) largest = fmaxf(largest, in[c]);
    largest = max_over(e.share, largest);
    for (size_t c = start + e.share.lane(); c < end; c += step) total += expf(in[c] - largest);
    const float scale = 1.0f / sum_over(e.share, total);
    for (size_t c = start + e.share.lane(); c < end; c += step) y.at(row, c) = expf(in[c] - largest) * scale;
  }
}

// dx = y (dy - sum of dy y over the group). dx may be dy.
__global__ void softmax_grad_groups(ColumnGroups e, Source dy, Source y, Matrix dx) {
  for (size_t first = e.share.first_of_warp(); first < e.count; first += e.share.step()) {
    const size_t unit = first + e.share.behind();
    const bool inside = unit < e.count;
    const size_t row = inside ? unit / e.groups : 0, start = unit % e.groups * e.dim;
    const size_t end = inside ? start + e.dim : 0, step = e.share.threads();
    const float* const of_dy = dy.data + row * dy.stride;
    const float* const of_y = y.data + row * y.stride;
    float sum = 0;
    for (size_t c = start + e.share.lane(); c < end; c += step) sum += of_dy[c] * of_y[c];
    sum = sum_over(e.share, sum);
    for (size_t c = start + e.share.lane(); c < end; c += step) dx.at(row, c) = of_y[c] * (of_dy[c] - sum);
  }
}

ColumnGroups softmax_units(const DeviceContext& context, size_t width, size_t group) {
  return {context.rows * (width / group), width / group, group, share_for(group, kWarpThreads)};
}

}  // namespace

DeviceKernelResult make_softmax(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, cpu::input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the input", x.width, y.width));
  PRERANK_ASSIGN_OR_RETURN(const size_t group, cpu::softmax_group(build, y.width));
  return make_device_kernel([=](const DeviceContext& context) -> Status {
    const ColumnGroups e = softmax_units(context, y.width, group);
    if (e.count == 0) return {};
    return launch(context.stream, e.share.blocks(e.count), kBlockThreads, softmax_groups, e, source(x, context),
                  matrix(y, context));
  });
}

DeviceKernelResult make_softmax_grad(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View dy, cpu::input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View dx, cpu::output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "dY", dy.width, dx.width));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "y", y.width, dx.width));
  PRERANK_ASSIGN_OR_RETURN(const size_t group, cpu::softmax_group(build, y.width));
  return make_device_kernel([=](const DeviceContext& context) -> Status {
    const ColumnGroups e = softmax_units(context, y.width, group);
    if (e.count == 0) return {};
    return launch(context.stream, e.share.blocks(e.count), kBlockThreads, softmax_grad_groups, e, source(dy, context),
                  source(y, context), matrix(dx, context));
  });
}

}  // namespace prerank::cuda
