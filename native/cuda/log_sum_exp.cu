#include <cmath>

#include "cuda/group_sums.h"
#include "cuda/ops.h"

namespace prerank::cuda {
namespace {

// Reads x from memory once, then from the cache.
__global__ void log_sum_exp_rows(ColumnGroups e, Source x, Matrix y) {
  for (size_t first = e.share.first_of_warp(); first < e.count; first += e.share.step()) {
    const size_t row = first + e.share.behind();
    const size_t end = row < e.count ? e.dim : 0, step = e.share.threads();
    const float* const in = x.data + (row < e.count ? row * x.stride : 0);
    float largest = -INFINITY, total = 0;
    for (size_t c = e.share.lane(); c < end; c += step) largest = fmaxf(largest, in[c]);
    largest = max_over(e.share, largest);
    for (size_t c = e.share.lane(); c < end; c += step) total += expf(in[c] - largest);
    total = sum_over(e.share, total);
    if (end > 0 && e.share.lane() == 0) y.at(row, 0) = largest + logf(total);
  }
}

}  // namespace

DeviceKernelResult make_log_sum_exp(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, cpu::input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the result", y.width, 1));
  return make_device_kernel([=](const DeviceContext& context) -> Status {
    if (context.rows == 0) return {};
    const ColumnGroups e = {context.rows, 1, x.width, share_for(x.width, kWarpThreads)};
    return launch(context.stream, e.share.blocks(e.count), kBlockThreads, log_sum_exp_rows, e, source(x, context),
                  matrix(y, context));
  });
}

}  // namespace prerank::cuda
