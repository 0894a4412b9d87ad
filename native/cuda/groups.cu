// Groups of columns, one number each: scaleGroups multiplies by it, groupDot is the gradient towards it.
#include "cpu/group_shape.h"
#include "cuda/functions.h"
#include "cuda/group_sums.h"
#include "cuda/ops.h"

namespace prerank::cuda {
namespace {

template <size_t kCount>
__global__ void scale_column_groups(ColumnGroups e, Source gates, Source x, Matrix y) {
  for (size_t unit = e.share.first(); unit < e.count; unit += e.share.step()) {
    const size_t row = unit / e.groups, group = unit % e.groups;
    const float gate = gates.data[row * gates.stride + group];
    for (size_t c = e.share.lane() * kCount; c < e.dim; c += e.share.threads() * kCount) {
      const size_t column = group * e.dim + c;
      Pack<kCount> values = x.load<kCount>(row, column);
      for (size_t i = 0; i < kCount; ++i) values.v[i] *= gate;
      store_pack(&y.at(row, column), values);
    }
  }
}

}  // namespace

DeviceKernelResult make_scale_groups(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View gates, cpu::input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View x, cpu::input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the result", y.width, x.width));
  PRERANK_ASSIGN_OR_RETURN(const size_t dim, cpu::group_dim(build, gates.width, x.width));
  return make_device_kernel([=](const DeviceContext& context) -> Status {
    ColumnGroups e = {context.rows * gates.width, gates.width, dim};
    if (e.count == 0) return {};
    const bool packs = views_take_packs(context, dim, x, y);
    e.share = share_for(packs ? dim / kWidePack : dim, kBlockThreads);
    return launch(context.stream, e.share.blocks(e.count), kBlockThreads,
                  packs ? scale_column_groups<kWidePack> : scale_column_groups<1>, e, source(gates, context),
                  source(x, context), matrix(y, context));
  });
}

DeviceKernelResult make_group_dot(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View a, cpu::input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View b, cpu::input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the second operand", b.width, a.width));
  PRERANK_ASSIGN_OR_RETURN(const size_t dim, cpu::group_dim(build, y.width, a.width));
  return make_device_kernel(
      [=](const DeviceContext& context) { return enqueue_group_sums(context, Mul(), dim, y, a, b); });
}

}  // namespace prerank::cuda
