// Sums over groups of neighbouring columns: a thread, a part of a warp or a warp for each group, by its width.
#pragma once

#include "cuda/elementwise.h"
#include "cuda/kernel.h"
#include "cuda/launch.h"
#include "cuda/pack.h"
#include "cuda/share.h"

namespace prerank::cuda {

struct ColumnGroups {
  size_t count = 0;   // of all rows
  size_t groups = 1;  // of a row
  size_t dim = 0;     // columns of a group
  Share share = {};
};

// y[r, g] = sum over the columns c of group g of f(x[r, c]...).
template <size_t kCount, class F, class... In>
__global__ void sum_groups(ColumnGroups e, F f, Matrix y, In... x) {
  for (size_t first = e.share.first_of_warp(); first < e.count; first += e.share.step()) {
    const size_t unit = first + e.share.behind(), row = unit / e.groups, group = unit % e.groups;
    float sum = 0;
    if (unit < e.count) {
      const size_t start = group * e.dim;
      for (size_t c = e.share.lane() * kCount; c < e.dim; c += e.share.threads() * kCount) {
        const Pack<kCount> terms = apply_to_packs<kCount>(f, x.template load<kCount>(row, start + c)...);
        for (size_t i = 0; i < kCount; ++i) sum += terms.v[i];
      }
    }
    sum = sum_over(e.share, sum);
    if (unit < e.count && e.share.lane() == 0) y.at(row, group) = sum;
  }
}

template <size_t kCount, class F, class... In>
Status launch_group_sums(const DeviceContext& context, ColumnGroups e, F f, const View& y, In... x) {
  e.share = share_for(e.dim / kCount, kWarpThreads);
  void (*const kernel)(ColumnGroups, F, Matrix, In...) = sum_groups<kCount, F, In...>;
  return launch(context.stream, e.share.blocks(e.count), kBlockThreads, kernel, e, f, matrix(y, context), x...);
}

// y[r, g] for the y.width groups of `dim` columns in each row of the context.
template <class F, class... In>
Status enqueue_group_sums(const DeviceContext& context, F f, size_t dim, const View& y, const In&... x) {
  const ColumnGroups e = {context.rows * y.width, y.width, dim};
  if (e.count == 0) return {};
  if (views_take_packs(context, dim, x...)) {
    return launch_group_sums<kWidePack>(context, e, f, y, source(x, context)...);
  }
  return launch_group_sums<1>(context, e, f, y, source(x, context)...);
}

}  // namespace prerank::cuda
