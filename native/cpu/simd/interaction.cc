// DLRM's dot interaction (arXiv 1906.00091): each row holds T [features, dim]; kept is T T^T below its diagonal.
#include "cpu/simd/functions.h"
#include "cpu/simd/vec.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

template <size_t... L>
struct Lanes {};
#if defined(__AVX512F__)
using AllLanes = Lanes<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>;
#elif defined(__AVX2__)
using AllLanes = Lanes<0, 1, 2, 3, 4, 5, 6, 7>;
#else
using AllLanes = Lanes<0, 1, 2, 3>;
#endif

PRERANK_INLINE size_t pair(size_t i, size_t j) { return i * (i - 1) / 2 + j; }  // i > j

// Lanes l and l + D of two vectors added: where l has bit D those of b, elsewhere those of a.
template <size_t D, size_t... L>
PRERANK_INLINE vf fold(vf a, vf b, Lanes<L...>) {
  return __builtin_shufflevector(a, b, (L & D ? kLanes + L - D : L)...) +
         __builtin_shufflevector(a, b, (L & D ? kLanes + L : L + D)...);
}

// Vector l's sum in lane l. Destroys v.
PRERANK_INLINE vf sum_each(vf (&v)[kLanes]) {
#pragma GCC unroll 8
  for (size_t i = 0; i < kLanes / 2; ++i) v[i] = fold<1>(v[2 * i], v[2 * i + 1], AllLanes());
#pragma GCC unroll 4
  for (size_t i = 0; i < kLanes / 4; ++i) v[i] = fold<2>(v[2 * i], v[2 * i + 1], AllLanes());
  if constexpr (kLanes >= 8) {
#pragma GCC unroll 2
    for (size_t i = 0; i < kLanes / 8; ++i) v[i] = fold<4>(v[2 * i], v[2 * i + 1], AllLanes());
  }
  if constexpr (kLanes >= 16) v[0] = fold<8>(v[0], v[1], AllLanes());
  return v[0];
}

// Products of two vectors of `dim` floats, added to one register.
PRERANK_INLINE vf products(size_t dim, const float* a, const float* b) {
  vf sum = {};
  size_t k = 0;
  for (; k + kLanes <= dim; k += kLanes) sum += load(a + k) * load(b + k);
  if (k < dim) sum += load_tail(a + k, dim - k) * load_tail(b + k, dim - k);
  return sum;
}

void dot_interaction(size_t rows, size_t features, size_t dim, const float* x, size_t xs, float* y, size_t ys) {
  for (size_t r = 0; r < rows; ++r, x += xs, y += ys) {
    vf waiting[kLanes] = {};
    size_t count = 0;
    float* to = y;
    for (size_t i = 1; i < features; ++i) {
      for (size_t j = 0; j < i; ++j) {
        waiting[count++] = products(dim, x + i * dim, x + j * dim);
        if (count < kLanes) continue;
        store(to, sum_each(waiting));
        to += kLanes;
        count = 0;
      }
    }
    if (count > 0) store_tail(to, count, sum_each(waiting));
  }
}

template <int N>
PRERANK_INLINE void grad_block(size_t column, size_t last, size_t features, size_t dim, const float* dy, const float* x,
                               bool accumulate, float* dx) {
  for (size_t i = 0; i < features; ++i) {
    vf sum[N] = {};
    float* out = dx + i * dim + column;
    if (accumulate) load_block<N>(sum, out, last);
    if (i > 0) {
      const float* row = dy + pair(i, 0);
      for (size_t j = 0; j < i; ++j) add_scaled_block<N>(sum, row[j], x + j * dim + column, last);
    }
    for (size_t j = i + 1; j < features; ++j) add_scaled_block<N>(sum, dy[pair(j, i)], x + j * dim + column, last);
    store_block<N>(out, last, sum);
  }
}

void dot_interaction_grad(size_t rows, size_t features, size_t dim, const float* dy, size_t dys, const float* x,
                          size_t xs, bool accumulate, float* dx, size_t dxs) {
  for (size_t r = 0; r < rows; ++r, dy += dys, x += xs, dx += dxs) {
    PRERANK_FOR_BLOCKS(dim, grad_block, features, dim, dy, x, accumulate, dx)
  }
}

}  // namespace

void add_interaction(SimdTable& table) {
  table.dot_interaction = dot_interaction;
  table.dot_interaction_grad = dot_interaction_grad;
}

}  // namespace prerank::cpu::PRERANK_ISA
