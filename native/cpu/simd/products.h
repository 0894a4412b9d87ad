// Matrix products with blocks of the result held in registers, over operands of kind K: what a lane of an operand holds
// (an item: one or two depths) and how two of them are multiplied and added. An element of the result is one sum in the
// order of `depth`, whatever block computes it: rows give the same numbers alone and among others.
#pragma once

#include "cpu/simd/table.h"
#include "cpu/simd/vec.h"

namespace prerank::cpu::PRERANK_ISA {

// A panel is so many vectors of columns. Blocks of few rows and many columns read less for a multiplication than high
// and narrow ones; sums, a row of the panel and a factor fill the registers.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr size_t kPanelVectors = 4;
template <int N>
constexpr size_t kRowBlock = N == 1 ? 12 : 24 / N;
#else
constexpr size_t kPanelVectors = 2;
template <int N>
constexpr size_t kRowBlock = N == 1 ? 12 : 6;
#endif
constexpr size_t kPanel = kPanelVectors * kLanes;
constexpr size_t kRowGroup = 24;  // a multiple of all row blocks

// sum [M, N vectors] += A B over `depth` items; neighbours in A are a_row and a_depth apart, rows of B N vectors.
template <class K, int M, int N>
PRERANK_INLINE void multiply(vf (&sum)[M][N], size_t depth, const typename K::Item* a, size_t a_row, size_t a_depth,
                             const typename K::Item* b) {
  for (size_t k = 0; k < depth; ++k, a += a_depth, b += N * kLanes) {
    typename K::Vector columns[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) __builtin_memcpy(&columns[n], b + static_cast<size_t>(n) * kLanes, sizeof columns[n]);
#pragma GCC unroll 12
    for (int m = 0; m < M; ++m) {
      const typename K::Vector factor = K::splat_item(a[static_cast<size_t>(m) * a_row]);
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) sum[m][n] = K::multiply_add(sum[m][n], factor, columns[n]);
    }
  }
}

// f.template panel<N>(column, last) for panels of N vectors, the last one with `last` columns, that cover [0, width).
template <class Panels>
PRERANK_INLINE void for_panels(size_t width, const Panels& f) {
  for (size_t column = 0; column < width; column += kPanel) {
    const size_t left = width - column;
    const Split vectors = split(left < kPanel ? left : kPanel);
    if (vectors.count == 1) {
      f.template panel<1>(column, vectors.last);
    } else if (vectors.count == 2) {
      f.template panel<2>(column, vectors.last);
    } else if constexpr (kPanelVectors == 4) {
      if (vectors.count == 3) {
        f.template panel<3>(column, vectors.last);
      } else {
        f.template panel<4>(column, vectors.last);
      }
    }
  }
}

// f.template run<M>(row) for blocks of at most R rows that cover [0, rows).
template <size_t R, class Block>
PRERANK_INLINE void for_row_blocks(size_t rows, const Block& f) {
  size_t row = 0;
  for (; row + R <= rows; row += R) f.template run<R>(row);
  if (R > 8 && row + 8 <= rows) {
    f.template run<8>(row);
    row += 8;
  }
  if (row + 4 <= rows) {
    f.template run<4>(row);
    row += 4;
  }
  if (row + 2 <= rows) {
    f.template run<2>(row);
    row += 2;
  }
  if (row < rows) f.template run<1>(row);
}

PRERANK_INLINE size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

template <class K>
constexpr size_t items_of(size_t depth) {
  return (depth + K::kDepths - 1) / K::kDepths;
}

// --- C = A B, B packed ---------------------------------------------------------------------------------------------

// Rows [row, row + rows) and items [first, first + items) of a product; `a` is where those of A start.
template <class K>
struct ProductPart {
  const PackedProduct& p;
  size_t row, rows;
  size_t first, items;
  const typename K::Item* a;
  size_t as;

  template <int N>
  void panel(size_t column, size_t last) const;
};

// The part's columns in a panel of N vectors, the last one with `last` of them.
template <class K, int N>
struct PackedBlock {
  const ProductPart<K>& part;
  const typename K::Item* panel;
  size_t column, last;

  template <int M>
  void run(size_t block) const {
    const PackedProduct& p = part.p;
    const size_t row = part.row + block;
    float* const c = p.c + row * p.cs + column;
    vf sum[M][N] = {};
    if (part.first > 0) {
#pragma GCC unroll 12
      for (int m = 0; m < M; ++m) load_block<N>(sum[m], c + static_cast<size_t>(m) * p.cs, last);
    } else if (p.bias != nullptr) {
      load_block<N>(sum[0], p.bias + column, last);
#pragma GCC unroll 12
      for (int m = 1; m < M; ++m) {
#pragma GCC unroll 4
        for (int n = 0; n < N; ++n) sum[m][n] = sum[0][n];
      }
    }
    multiply<K, M, N>(sum, part.items, part.a + block * part.as, part.as, 1, panel + part.first * N * kLanes);
    const bool done = part.first + part.items == items_of<K>(p.depth);
    const bool relu = p.relu && done;
    const float* const gate = done ? p.gate : nullptr;
#pragma GCC unroll 12
    for (int m = 0; m < M; ++m) {
      if (relu) {
#pragma GCC unroll 4
        for (int n = 0; n < N; ++n) sum[m][n] = sum[m][n] < 0 ? vf{} : sum[m][n];
      }
      if (gate != nullptr) {
        vf open[N];
        load_block<N>(open, gate + (row + static_cast<size_t>(m)) * p.gs + column, last);
#pragma GCC unroll 4
        for (int n = 0; n < N; ++n) sum[m][n] = open[n] > 0 ? sum[m][n] : vf{};
      }
      store_block<N>(c + static_cast<size_t>(m) * p.cs, last, sum[m]);
    }
  }
};

template <class K>
template <int N>
void ProductPart<K>::panel(size_t column, size_t last) const {
  const auto* const packed = static_cast<const typename K::Item*>(p.packed) + column * items_of<K>(p.depth);
  for_row_blocks<kRowBlock<N>>(rows, PackedBlock<K, N>{*this, packed, column, last});
}

// Deeper products are made in parts, so that a panel stays in the caches.
constexpr size_t kWholeDepth = 640;
constexpr size_t kPartDepth = 256;
// B is read whole for each group of rows when it stays in the L1 cache, or, in parts, in the L2 cache. Otherwise all
// rows are taken with one panel after the other.
constexpr size_t kNearItems = size_t{8} << 10;
constexpr size_t kNearPartItems = size_t{128} << 10;

template <class K>
void packed_product(const PackedProduct& p) {
  const size_t items = items_of<K>(p.depth);
  const bool whole = p.depth <= kWholeDepth;
  const size_t step = whole ? items : kPartDepth / K::kDepths;
  const size_t group = step * p.width <= (whole ? kNearItems : kNearPartItems) ? kRowGroup : p.rows;
  for (size_t first = 0; first < items; first += step) {
    for (size_t row = 0; row < p.rows; row += group) {
      ProductPart<K> part{p, row, smaller(group, p.rows - row), first, smaller(step, items - first), nullptr, 0};
      K::take_rows(part);
      for_panels(p.width, part);
    }
  }
}

template <class K>
size_t packed_items(size_t depth, size_t width) {
  return (width + kLanes - 1) / kLanes * kLanes * items_of<K>(depth);
}

// Items copied at a time, column after column: their part of a panel stays in the L1 cache.
constexpr size_t kPackedItems = 64;

// Panel after panel, each [items, N vectors], padded with zeros.
template <class K>
void pack(const PackArguments& a) {
  using Item = typename K::Item;
  const size_t panels = (a.width + kPanel - 1) / kPanel, items = items_of<K>(a.depth);
  for (size_t panel = a.part; panel < panels; panel += a.parts) {
    const size_t column = panel * kPanel, used = smaller(a.width - column, kPanel);
    const size_t wide = (used + kLanes - 1) / kLanes * kLanes;
    Item* const to = static_cast<Item*>(a.packed) + column * items;
    for (size_t first = 0; first < items; first += kPackedItems) {
      const size_t end = smaller(items, first + kPackedItems);
      for (size_t c = 0; c < used; ++c) {
        const float* const from = a.b + (column + c) * a.column;
        for (size_t k = first; k < end; ++k) to[k * wide + c] = K::item(from, a.row, k, a.depth);
      }
      for (size_t c = used; c < wide; ++c) {
        for (size_t k = first; k < end; ++k) to[k * wide + c] = Item{};
      }
    }
  }
}

// --- C += D^T X ----------------------------------------------------------------------------------------------------

// So many rows and columns of X are copied at a time, panel after panel, and a group of D's columns for all of them.
constexpr size_t kCopiedRows = 128;
constexpr size_t kCopiedWidth = 512;

// Rows [first, first + rows) of the columns [column, ...) of X.
template <class K>
struct CopiedColumns {
  const TransposedProduct& p;
  size_t first, rows;
  size_t column;

  typename K::Item* at(size_t from) const {
    return static_cast<typename K::Item*>(p.scratch) + from * items_of<K>(kCopiedRows);
  }

  template <int N>
  void panel(size_t from, size_t last) const {
    const float* x = p.x + first * p.xs + column + from;
    typename K::Item* to = at(from);
    for (size_t r = 0; r < rows; r += K::kDepths, x += K::kDepths * p.xs) {
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n, to += kLanes) {
        const size_t columns = n < N - 1 ? kLanes : last;
        const typename K::Vector v = K::rows(x + static_cast<size_t>(n) * kLanes, p.xs, rows - r, columns);
        __builtin_memcpy(to, &v, sizeof v);
      }
    }
  }
};

// Rows [row, row + count) of C: its products with the copied columns. `d` holds those columns of D, kRowGroup apart.
template <class K>
struct TransposedPart {
  const CopiedColumns<K>& x;
  size_t row, count;
  const typename K::Item* d;

  template <int N>
  void panel(size_t from, size_t last) const;
};

template <class K, int N>
struct TransposedBlock {
  const TransposedPart<K>& part;
  size_t from, last;

  template <int M>
  void run(size_t block) const {
    const TransposedProduct& p = part.x.p;
    float* const c = p.c + (part.row + block) * p.n + part.x.column + from;
#pragma GCC unroll 12
    for (int m = 0; m < M; ++m) {
      const float* const line = c + static_cast<size_t>(m) * p.n;
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) __builtin_prefetch(line + static_cast<size_t>(n) * kLanes, 1);
    }
    vf sum[M][N] = {};
    multiply<K, M, N>(sum, items_of<K>(part.x.rows), part.d + block, 1, kRowGroup, part.x.at(from));
#pragma GCC unroll 12
    for (int m = 0; m < M; ++m) {
      vf before[N];
      load_block<N>(before, c + static_cast<size_t>(m) * p.n, last);
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) before[n] += sum[m][n];
      store_block<N>(c + static_cast<size_t>(m) * p.n, last, before);
    }
  }
};

template <class K>
template <int N>
void TransposedPart<K>::panel(size_t from, size_t last) const {
  for_row_blocks<kRowBlock<N>>(count, TransposedBlock<K, N>{*this, from, last});
}

template <class K>
size_t transposed_product_items(size_t n) {
  return items_of<K>(kCopiedRows) * smaller((n + kLanes - 1) / kLanes * kLanes, kCopiedWidth);
}

template <class K>
void transposed_product(const TransposedProduct& p) {
  // Whole vectors are written: what lies behind a row is overwritten by the next one.
  alignas(64) typename K::Item d[items_of<K>(kCopiedRows) * kRowGroup + kLanes];
  for (size_t first = 0; first < p.rows; first += kCopiedRows) {
    const size_t rows = smaller(kCopiedRows, p.rows - first);
    for (size_t column = 0; column < p.n; column += kCopiedWidth) {
      const size_t width = smaller(kCopiedWidth, p.n - column);
      const CopiedColumns<K> x{p, first, rows, column};
      for_panels(width, x);
      for (size_t row = 0; row < p.m; row += kRowGroup) {
        const size_t count = smaller(kRowGroup, p.m - row);
        const float* from = p.d + first * p.ds + row;
        for (size_t r = 0; r < rows; r += K::kDepths, from += K::kDepths * p.ds) {
          for (size_t c = 0; c < count; c += kLanes) {
            const size_t part = smaller(kLanes, count - c);
            const typename K::Vector v = K::rows(from + c, p.ds, rows - r, part);
            __builtin_memcpy(d + r / K::kDepths * kRowGroup + c, &v, sizeof v);
          }
        }
        for_panels(width, TransposedPart<K>{x, row, count, d});
      }
    }
  }
}

// `scratch`: items that packed_product needs for so many rows.
template <class K>
ProductFunctions product_functions(size_t (*scratch)(size_t rows)) {
  return {packed_items<K>, pack<K>, scratch, packed_product<K>, transposed_product_items<K>, transposed_product<K>, 0};
}

}  // namespace prerank::cpu::PRERANK_ISA
