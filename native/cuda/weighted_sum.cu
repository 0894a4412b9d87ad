// Mixtures of experts: y = sum over e of gates[e] * x[e], x being [experts, dim] in each row.
#include "cpu/group_shape.h"
#include "cuda/group_sums.h"
#include "cuda/ops.h"

namespace prerank::cuda {
namespace {

struct Mixture {
  size_t rows = 0, experts = 0, dim = 0;
  Share share = {};
};

template <size_t kCount>
__global__ void mix_experts(Mixture m, Source gates, Source x, Matrix y) {
  for (size_t row = m.share.first(); row < m.rows; row += m.share.step()) {
    const float* const gate = gates.data + row * gates.stride;
    for (size_t c = m.share.lane() * kCount; c < m.dim; c += m.share.threads() * kCount) {
      Pack<kCount> sum = {};
      for (size_t expert = 0; expert < m.experts; ++expert) {
        const Pack<kCount> values = x.load<kCount>(row, expert * m.dim + c);
        for (size_t i = 0; i < kCount; ++i) sum.v[i] += gate[expert] * values.v[i];
      }
      store_pack(&y.at(row, c), sum);
    }
  }
}

// Each expert of a row is a unit: dx[e] = gates[e] dy, dgates[e] = x[e] . dy. Reads dy from the cache after the first.
template <size_t kCount>
__global__ void mix_experts_grad(ColumnGroups e, Source dy, Source gates, Source x, Matrix dgates, Matrix dx) {
  for (size_t first = e.share.first_of_warp(); first < e.count; first += e.share.step()) {
    const size_t unit = first + e.share.behind(), row = unit / e.groups, expert = unit % e.groups;
    const bool inside = unit < e.count;
    float sum = 0;
    if (inside) {
      const float gate = gates.data[row * gates.stride + expert];
      for (size_t c = e.share.lane() * kCount; c < e.dim; c += e.share.threads() * kCount) {
        const Pack<kCount> d = dy.load<kCount>(row, c), values = x.load<kCount>(row, expert * e.dim + c);
        Pack<kCount> scaled;
        for (size_t i = 0; i < kCount; ++i) scaled.v[i] = gate * d.v[i];
        store_pack(&dx.at(row, expert * e.dim + c), scaled);
        for (size_t i = 0; i < kCount; ++i) sum += d.v[i] * values.v[i];
      }
    }
    sum = sum_over(e.share, sum);
    if (inside && e.share.lane() == 0) dgates.at(row, expert) = sum;
  }
}

}  // namespace

DeviceKernelResult make_weighted_sum(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View gates, cpu::input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View x, cpu::input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::output_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const size_t experts, cpu::gated_experts(build, gates, x, y));
  return make_device_kernel([=](const DeviceContext& context) -> Status {
    if (context.rows == 0) return {};
    const bool packs = views_take_packs(context, y.width, x, y);
    const Mixture m = {context.rows, experts, y.width,
                       share_for(packs ? y.width / kWidePack : y.width, kBlockThreads)};
    return launch(context.stream, m.share.blocks(m.rows), kBlockThreads,
                  packs ? mix_experts<kWidePack> : mix_experts<1>, m, source(gates, context), source(x, context),
                  matrix(y, context));
  });
}

DeviceKernelResult make_weighted_sum_grad(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 3, 2));
  PRERANK_ASSIGN_OR_RETURN(const View dy, cpu::input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View gates, cpu::input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, cpu::input_view(build, 2));
  PRERANK_ASSIGN_OR_RETURN(const View dgates, cpu::output_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View dx, cpu::output_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const size_t experts, cpu::gated_experts(build, gates, x, dy));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "dGates", dgates.width, gates.width));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "dExperts", dx.width, x.width));
  return make_device_kernel([=](const DeviceContext& context) -> Status {
    if (context.rows == 0) return {};
    const bool packs = views_take_packs(context, dy.width, dy, x, dx);
    const ColumnGroups e = {context.rows * experts, experts, dy.width,
                            share_for(packs ? dy.width / kWidePack : dy.width, kWarpThreads)};
    return launch(context.stream, e.share.blocks(e.count), kBlockThreads,
                  packs ? mix_experts_grad<kWidePack> : mix_experts_grad<1>, e, source(dy, context),
                  source(gates, context), source(x, context), matrix(dgates, context), matrix(dx, context));
  });
}

}  // namespace prerank::cuda
