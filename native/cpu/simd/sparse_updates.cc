// Updates of table rows: the gradient of a distinct row is summed over its entries in registers, then applied at once.
#include "cpu/simd/functions.h"
#include "cpu/simd/table_rows.h"
#include "cpu/simd/update_math.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

constexpr size_t kEntriesAhead = 16;
constexpr size_t kRowsAhead = 8;
constexpr size_t kLineBytes = 64;
constexpr size_t kPrefetchLines = 8;

template <int kWrite, class T>
PRERANK_INLINE void prefetch_lines(const T* p, size_t count) {
  constexpr size_t kLine = kLineBytes / sizeof(T);
  for (size_t i = 0; i < count && i < kPrefetchLines * kLine; i += kLine) __builtin_prefetch(p + i, kWrite);
}
PRERANK_INLINE void prefetch(const float* p, size_t floats) { prefetch_lines<0>(p, floats); }
template <class T>
PRERANK_INLINE void prefetch_to_write(const T* p, size_t count) {
  prefetch_lines<1>(p, count);
}

// As gather, for entries of one input with coefficient 1.
template <int N>
PRERANK_INLINE bool gather_plain(const SparseRows& s, size_t u, size_t column, size_t last, vf (&sum)[N]) {
  const PooledGradient gradient = s.gradients[s.input];
  if (gradient.base == nullptr) return false;
  for (size_t e = s.starts[u]; e < s.starts[u + 1]; ++e) {
    if (column == 0 && e + kEntriesAhead < s.entries) {
      prefetch(gradient.base + s.bags[e + kEntriesAhead] * gradient.stride, s.dim);
    }
    add_block<N>(sum, gradient.base + s.bags[e] * gradient.stride + column, last);
  }
  return true;
}

// Sums one block of columns of a row's gradient; false when no entry has a gradient.
template <int N>
PRERANK_INLINE bool gather(const SparseRows& s, size_t u, size_t column, size_t last, vf (&sum)[N]) {
  if (s.inputs == nullptr) return gather_plain<N>(s, u, column, last, sum);
  bool any = false;
  for (size_t e = s.starts[u]; e < s.starts[u + 1]; ++e) {
    if (column == 0 && e + kEntriesAhead < s.entries) {
      const PooledGradient ahead = s.gradients[s.inputs[e + kEntriesAhead]];
      if (ahead.base != nullptr) prefetch(ahead.base + s.bags[e + kEntriesAhead] * ahead.stride, s.dim);
    }
    const PooledGradient gradient = s.gradients[s.inputs[e]];
    if (gradient.base == nullptr) continue;
    add_scaled_block<N>(sum, s.coefficients[e], gradient.base + s.bags[e] * gradient.stride + column, last);
    any = true;
  }
  return any;
}

template <class T>
PRERANK_INLINE void prefetch_ahead(const SparseRows& s, size_t u, const T* w, const float* s0, const float* s1,
                                   size_t s0_width) {
  if (u + kRowsAhead >= s.end) return;
  const size_t row = s.slots[u + kRowsAhead];
  prefetch_to_write(w + row * s.dim, s.dim);
  if (s0 != nullptr) prefetch_to_write(s0 + row * s0_width, s0_width);
  if (s1 != nullptr) prefetch_to_write(s1 + row * s.dim, s.dim);
}

struct Sgd {
  static void apply(const UpdateConstants& c, vf g, vf& w, vf&, vf&) { w -= c.lr * g; }
};
struct Adagrad {
  static void apply(const UpdateConstants& c, vf g, vf& w, vf& sum, vf&) { adagrad(c, g, w, sum); }
};
struct Adam {
  static void apply(const UpdateConstants& c, vf g, vf& w, vf& m, vf& v) { adam(c, g, w, m, v); }
};

// Optimizers whose elements do not depend on each other; s0 and s1 are as wide as the row, or null.
template <class Optimizer, int kStates>
struct Elementwise {
  template <int N, class Row>
  static void block(size_t column, size_t last, const SparseRows& s, size_t u, const UpdateConstants& c,
                    const Row& row, float* s0, float* s1) {
    vf g[N] = {};
    if (!gather<N>(s, u, column, last, g)) return;
    const size_t first = size_t{s.slots[u]} * s.dim + column;
    vf x[N], a[N] = {}, b[N] = {};
    load_row<N>(x, row, column, last);
    if (kStates > 0) load_block<N>(a, s0 + first, last);
    if (kStates > 1) load_block<N>(b, s1 + first, last);
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) Optimizer::apply(c, regularised(c, g[n], x[n]), x[n], a[n], b[n]);
    store_row<N>(row, column, last, x);
    if (kStates > 0) store_block<N>(s0 + first, last, a);
    if (kStates > 1) store_block<N>(s1 + first, last, b);
  }

  template <class T>
  static void run(const SparseRows& s, const UpdateConstants& c, T* w, float* s0, float* s1) {
    for (size_t u = s.begin; u < s.end; ++u) {
      prefetch_ahead(s, u, w, s0, s1, s.dim);
      const auto row = row_of(s, u, w);
      PRERANK_FOR_BLOCKS(s.dim, block, s, u, c, row, s0, s1)
    }
  }
};

template <class T>
void sparse_sgd(const SparseRows& s, const UpdateConstants& c, T* w) {
  Elementwise<Sgd, 0>::run(s, c, w, nullptr, nullptr);
}

template <class T>
void sparse_adagrad(const SparseRows& s, const UpdateConstants& c, T* w, float* sum) {
  Elementwise<Adagrad, 1>::run(s, c, w, sum, nullptr);
}

template <class T>
void sparse_adam(const SparseRows& s, const UpdateConstants& c, T* w, float* m, float* v) {
  Elementwise<Adam, 2>::run(s, c, w, m, v);
}

// Adds the squares of the regularised gradient's block; `any` as gather's result.
template <int N, class Row>
PRERANK_INLINE void square_block(size_t column, size_t last, const SparseRows& s, size_t u, const UpdateConstants& c,
                                 const Row& row, vf& squares, bool& any) {
  vf g[N] = {}, x[N];
  if (!gather<N>(s, u, column, last, g)) return;
  load_row<N>(x, row, column, last);
  for (int n = 0; n < N; ++n) {
    const vf d = regularised(c, g[n], x[n]);
    squares += d * d;
  }
  any = true;
}

template <int N, class Row>
PRERANK_INLINE void step_block(size_t column, size_t last, const SparseRows& s, size_t u, const UpdateConstants& c,
                               float rate, const Row& row) {
  vf g[N] = {}, x[N];
  gather<N>(s, u, column, last, g);
  load_row<N>(x, row, column, last);
  for (int n = 0; n < N; ++n) x[n] -= rate * regularised(c, g[n], x[n]);
  store_row<N>(row, column, last, x);
}

// A row that fits one block: its gradient stays in registers between the two halves of the update.
template <int N, class Row>
PRERANK_INLINE void rowwise_block(size_t column, size_t last, const SparseRows& s, size_t u, const UpdateConstants& c,
                                  const Row& row, float* sum) {
  vf g[N] = {}, x[N];
  if (!gather<N>(s, u, column, last, g)) return;
  load_row<N>(x, row, column, last);
  vf squares = {};
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) {
    g[n] = regularised(c, g[n], x[n]);
    squares += g[n] * g[n];
  }
  *sum += hsum(squares) / static_cast<float>(s.dim);
  const float rate = c.lr / (__builtin_sqrtf(*sum) + c.epsilon);
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) x[n] -= rate * g[n];
  store_row<N>(row, column, last, x);
}

template <class T>
void sparse_rowwise_adagrad(const SparseRows& s, const UpdateConstants& c, T* w, float* sum) {
  for (size_t u = s.begin; u < s.end; ++u) {
    prefetch_ahead(s, u, w, sum, nullptr, 1);
    const auto row = row_of(s, u, w);
    float* row_sum = sum + s.slots[u];
    if (s.dim <= 8 * kLanes) {
      PRERANK_FOR_BLOCKS(s.dim, rowwise_block, s, u, c, row, row_sum)
      continue;
    }
    vf squares = {};
    bool any = false;
    PRERANK_FOR_BLOCKS(s.dim, square_block, s, u, c, row, squares, any)
    if (!any) continue;
    *row_sum += hsum(squares) / static_cast<float>(s.dim);
    const float rate = c.lr / (__builtin_sqrtf(*row_sum) + c.epsilon);
    PRERANK_FOR_BLOCKS(s.dim, step_block, s, u, c, rate, row)
  }
}

template <int N>
PRERANK_INLINE void norm_block(size_t column, size_t last, const SparseRows& s, size_t u, vf& squares) {
  vf g[N] = {};
  gather<N>(s, u, column, last, g);
  for (int n = 0; n < N; ++n) squares += g[n] * g[n];
}

double sparse_norm_sq(const SparseRows& s) {
  double total = 0;
  for (size_t u = s.begin; u < s.end; ++u) {
    vf squares = {};
    PRERANK_FOR_BLOCKS(s.dim, norm_block, s, u, squares)
    total += static_cast<double>(hsum(squares));
  }
  return total;
}

template <class T>
void add_updates(TableFunctions<T>& functions) {
  functions.sgd = sparse_sgd<T>;
  functions.adagrad = sparse_adagrad<T>;
  functions.rowwise_adagrad = sparse_rowwise_adagrad<T>;
  functions.adam = sparse_adam<T>;
}

}  // namespace

void add_sparse_updates(SimdTable& table) {
  add_updates(table.float32_tables);
  add_updates(table.bfloat16_tables);
  add_updates(table.float16_tables);
  table.sparse_norm_sq = sparse_norm_sq;
}

}  // namespace prerank::cpu::PRERANK_ISA
