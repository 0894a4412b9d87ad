// DLRM's dot interaction (arXiv 1906.00091): each row holds T [features, dim]; kept is T T^T below its diagonal.
#include "cpu/simd/functions.h"
#include "cpu/simd/vec.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

// i > j; row 0 has none.
PRERANK_INLINE size_t pair(size_t i, size_t j) { return (i > 0 ? i * (i - 1) / 2 : 0) + j; }

// Lanes l and l ^ D of a vector added: where l has bit D those of b, elsewhere those of a.
template <size_t D, size_t... L>
PRERANK_INLINE vf fold(vf a, vf b, Lanes<L...>) {
  return __builtin_shufflevector(a, b, (L & D ? kLanes + L : L)...) +
         __builtin_shufflevector(a, b, (L & D ? kLanes + L - D : L + D)...);
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

// Dot products are made in blocks of so many rows and columns of T T^T, as many as a vector has lanes.
constexpr size_t kBlockColumns = 4;
constexpr size_t kBlockRows = kLanes / kBlockColumns;

// Rows i, i + 1, ... and columns j, j + 1, ... of T T^T. What is not below the diagonal is written over the start of the
// next row: blocks must come with ascending rows, of the same rows with descending columns.
PRERANK_INLINE void dot_block(size_t features, size_t dim, size_t i, size_t j, const float* x, float* y) {
  const float *rows[kBlockRows], *columns[kBlockColumns];
  const size_t last = features - 1;
#pragma GCC unroll 4
  for (size_t r = 0; r < kBlockRows; ++r) rows[r] = x + (i + r < last ? i + r : last) * dim;
#pragma GCC unroll 4
  for (size_t c = 0; c < kBlockColumns; ++c) columns[c] = x + (j + c < last ? j + c : last) * dim;
  vf sums[kLanes] = {};
  const auto add = [&](size_t k, size_t part) __attribute__((always_inline)) {
    vf column[kBlockColumns];
#pragma GCC unroll 4
    for (size_t c = 0; c < kBlockColumns; ++c) column[c] = load_part(columns[c] + k, part);
#pragma GCC unroll 4
    for (size_t r = 0; r < kBlockRows; ++r) {
      const vf row = load_part(rows[r] + k, part);
#pragma GCC unroll 4
      for (size_t c = 0; c < kBlockColumns; ++c) sums[r * kBlockColumns + c] += row * column[c];
    }
  };
  size_t k = 0;
  for (; k + kLanes <= dim; k += kLanes) add(k, kLanes);
  if (k < dim) add(k, dim - k);
  float dots[kLanes];
  store(dots, sum_each(sums));
  const size_t end = pair(features, 0);
  for (size_t r = 0; r < kBlockRows && i + r < features; ++r) {
    const size_t to = pair(i + r, j);
    const float* const from = dots + r * kBlockColumns;
    if (to + kBlockColumns <= end) {
      __builtin_memcpy(y + to, from, kBlockColumns * sizeof(float));
    } else {
      for (size_t c = 0; j + c < i + r; ++c) y[to + c] = from[c];
    }
  }
}

void dot_interaction(size_t rows, size_t features, size_t dim, const float* x, size_t xs, float* y, size_t ys) {
  for (size_t r = 0; r < rows; ++r, x += xs, y += ys) {
    for (size_t i = 0; i < features; i += kBlockRows) {
      const size_t below = (i + kBlockRows < features ? i + kBlockRows : features) - 1;  // columns of the last row
      for (size_t blocks = (below + kBlockColumns - 1) / kBlockColumns; blocks > 0; --blocks) {
        dot_block(features, dim, i, (blocks - 1) * kBlockColumns, x, y);
      }
    }
  }
}

// The gradient that `rows` of dY bring, of N vectors of vectors i ... i + R - 1.
template <int N, int R>
PRERANK_INLINE void grad_rows(size_t i, size_t column, size_t last, size_t features, size_t dim, const float* dy,
                              const float* x, bool accumulate, float* dx) {
  vf sum[R][N] = {};
  const auto add = [&](int r, float factor, const vf(&v)[N]) __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) sum[r][n] += factor * v[n];
  };
  const auto at = [&](size_t feature, vf(&v)[N]) __attribute__((always_inline)) {
    load_block<N>(v, x + feature * dim + column, last);
  };
  float* const out = dx + i * dim + column;
  if (accumulate) {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) load_block<N>(sum[r], out + static_cast<size_t>(r) * dim, last);
  }
  vf v[N];
  for (size_t j = 0; j < i; ++j) {
    at(j, v);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) add(r, dy[pair(i + static_cast<size_t>(r), 0) + j], v);
  }
#pragma GCC unroll 4
  for (int c = 0; c < R; ++c) {
    const size_t j = i + static_cast<size_t>(c);
    at(j, v);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const size_t other = i + static_cast<size_t>(r);
      if (r != c) add(r, dy[r > c ? pair(other, j) : pair(j, other)], v);
    }
  }
  for (size_t j = i + R; j < features; ++j) {
    at(j, v);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) add(r, dy[pair(j, i) + static_cast<size_t>(r)], v);
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) store_block<N>(out + static_cast<size_t>(r) * dim, last, sum[r]);
}

// Several vectors at a time, so that sums do not wait for each other.
template <int N>
PRERANK_INLINE void grad_block(size_t column, size_t last, size_t features, size_t dim, const float* dy, const float* x,
                               bool accumulate, float* dx) {
  constexpr int kRows = N <= 2 ? 4 : N <= 4 ? 2 : 1;
  size_t i = 0;
  if (last == kLanes) {  // without a look at each load
    for (; i + kRows <= features; i += kRows) {
      grad_rows<N, kRows>(i, column, kLanes, features, dim, dy, x, accumulate, dx);
    }
  }
  for (; i < features; ++i) grad_rows<N, 1>(i, column, last, features, dim, dy, x, accumulate, dx);
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
