// Loops over the elements of [rows, width] views in which each element stands alone: in packs of four floats where
// addresses and strides allow it, as one row where every operand is contiguous.
#pragma once

#include "cuda/kernel.h"
#include "cuda/launch.h"
#include "cuda/pack.h"
#include "cuda/share.h"

namespace prerank::cuda {

// Rows that are read.
struct Source {
  static constexpr size_t step = 1;  // between columns
  const float* data = nullptr;
  size_t stride = 0;

  template <size_t kCount>
  __device__ Pack<kCount> load(size_t row, size_t column) const {
    return load_pack<kCount>(data + row * stride + column);
  }
};

// Rows that are read, or with a step of 0 one number for each row.
struct Operand {
  const float* data = nullptr;
  size_t stride = 0;
  size_t step = 1;

  template <size_t kCount>
  __device__ Pack<kCount> load(size_t row, size_t column) const {
    const float* const at = data + row * stride;
    if (step == 1) return load_pack<kCount>(at + column);
    Pack<kCount> repeated;
    for (size_t i = 0; i < kCount; ++i) repeated.v[i] = *at;
    return repeated;
  }
};

struct Elements {
  size_t rows = 0, width = 0;
  Share share = {};
  size_t rest = 0;  // single elements behind the rows
};

template <size_t kCount, class F, class... In>
__device__ Pack<kCount> apply_to_packs(F f, const In&... x) {
  Pack<kCount> result;
  for (size_t i = 0; i < kCount; ++i) result.v[i] = f(x.v[i]...);
  return result;
}

// y[r, c] = f(x[r, c]...). y may be one of x.
template <size_t kCount, class F, class... In>
__global__ void apply_to_elements(Elements e, F f, Matrix y, In... x) {
  for (size_t row = e.share.first(); row < e.rows; row += e.share.step()) {
    for (size_t column = e.share.lane() * kCount; column < e.width; column += e.share.threads() * kCount) {
      store_pack(&y.at(row, column), apply_to_packs<kCount>(f, x.template load<kCount>(row, column)...));
    }
  }
  const size_t item = first_item();
  if (item < e.rest) store_pack(&y.at(e.rows, item), apply_to_packs<1>(f, x.template load<1>(e.rows, item)...));
}

// Whether stretches of `width` columns, a multiple of which every view has, can be taken in wide packs.
template <class... Views>
bool views_take_packs(const DeviceContext& context, size_t width, const Views&... views) {
  return width % kWidePack == 0 && (rows_take_packs(views.at(context), views.stride) && ...);
}

inline Matrix matrix(const View& view, const DeviceContext& context) { return {view.at(context), view.stride}; }

inline Source source(const View& view, const DeviceContext& context) { return {view.at(context), view.stride}; }

template <size_t kCount, class F, class... In>
Status launch_elements(cudaStream_t stream, const Elements& e, F f, Matrix y, In... x) {
  void (*const kernel)(Elements, F, Matrix, In...) = apply_to_elements<kCount, F, In...>;
  return launch(stream, e.share.blocks(e.rows), kBlockThreads, kernel, e, f, y, x...);
}

// y[r, c] = f(x[r, c]...) for `rows` rows of `width` elements; each of x is a Source or an Operand.
template <class F, class... In>
Status enqueue_elements(cudaStream_t stream, size_t rows, size_t width, F f, Matrix y, In... x) {
  if (rows == 0 || width == 0) return {};
  const bool packs = rows_take_packs(y.data, 0) && ((x.step == 0 || rows_take_packs(x.data, 0)) && ...);
  const auto contiguous = [&](size_t stride) { return rows == 1 || stride == width; };
  if (contiguous(y.stride) && ((x.step == 1 && contiguous(x.stride)) && ...)) {
    const size_t count = rows * width;
    if (!packs) return launch_elements<1>(stream, {count, 1}, f, Matrix{y.data, 1}, Source{x.data, 1}...);
    return launch_elements<kWidePack>(stream, {count / kWidePack, kWidePack, {}, count % kWidePack}, f,
                                      Matrix{y.data, kWidePack}, Source{x.data, kWidePack}...);
  }
  const auto whole = [](size_t n) { return n % kWidePack == 0; };
  if (packs && whole(width) && whole(y.stride) && ((x.step == 0 || whole(x.stride)) && ...)) {
    return launch_elements<kWidePack>(stream, {rows, width, share_for(width / kWidePack, kBlockThreads)}, f, y, x...);
  }
  return launch_elements<1>(stream, {rows, width, share_for(width, kBlockThreads)}, f, y, x...);
}

template <class F>
Status enqueue_map(const DeviceContext& context, F f, const View& x, const View& y) {
  return enqueue_elements(context.stream, context.rows, y.width, f, matrix(y, context), source(x, context));
}

template <class F>
Status enqueue_zip(const DeviceContext& context, F f, const View& x, const View& y, const View& z) {
  return enqueue_elements(context.stream, context.rows, z.width, f, matrix(z, context), source(x, context),
                          source(y, context));
}

}  // namespace prerank::cuda
