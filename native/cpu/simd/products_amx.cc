// Matrix products of dense layers in tiles, in bfloat16 and in float32.
#include "cpu/simd/functions.h"
#include "cpu/simd/tiles.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

// --- C = A B, B packed -----------------------------------------------------------------------------------------------

template <class K>
size_t packed_items(size_t depth, size_t width) {
  return blocks(width, kSide) * blocks(depth, kDepth) * K::kParts * kTile / 2;
}

// Tiles: 16 columns, step of depth, part.
template <class K>
void pack(const PackArguments& p) {
  const size_t steps = blocks(p.depth, kDepth);
  for (size_t tile = p.part; tile < blocks(p.width, kSide); tile += p.parts) {
    const size_t column = tile * kSide, columns = part(p.width, column, kSide);
    Factor* to = static_cast<Factor*>(p.packed) + tile * steps * K::kParts * kTile;
    for (size_t k = 0; k < p.depth; k += kDepth, to += K::kParts * kTile) {
      const size_t lower = part(p.depth, k, kSide), upper = part(p.depth, k + kSide, kSide);
      const float* const from = p.b + column * p.column + k * p.row;
      if (p.column == 1) {
        pair_lines<K>({from, p.row, lower, columns}, {from + kSide * p.row, p.row, upper, columns}, to);
      } else {
        pair_columns<K>({from, p.column, columns, lower}, {from + kSide, p.column, columns, upper}, to);
      }
    }
  }
}

constexpr size_t kSteps = 16;  // of kDepth that are summed before they are added to the result

template <class K>
size_t packed_product_scratch(size_t) {
  return 2 * kSteps * K::kParts * kTile / 2;
}

// Rows [row, row + lines) of a product, over the steps of depth [first, first + count).
template <class K>
struct ProductRows {
  const PackedProduct& p;
  size_t row, lines;
  size_t first, count;

  PRERANK_INLINE void take(const ProductRows& rows, Factor* to) {
    const PackedProduct& p = rows.p;
    for (size_t k = 0; k < rows.count; ++k) {
      const size_t depth = (rows.first + k) * kDepth;
      const size_t lower = part(p.depth, depth, kSide), upper = part(p.depth, depth + kSide, kSide);
      for (size_t half = 0; half < kBlock; half += kSide, to += K::kParts * kTile) {
        const float* const from = p.a + (rows.row + half) * p.as + depth;
        const size_t lines = part(rows.lines, half, kSide);
        pair_lines<K>({from, p.as, lines, lower}, {from + kSide, p.as, lines, upper}, to);
      }
    }
  }

  template <int N>
  void columns(size_t column, size_t last) const {
    const size_t steps = blocks(p.depth, kDepth), next = steps * K::kParts * kTile;
    const Factor* const b =
        static_cast<const Factor*>(p.packed) + column / kSide * next + first * K::kParts * kTile;
    Sums sums;
    Sums::multiply<K, N>(sums, count, static_cast<const Factor*>(p.scratch), b, next);
    const bool begins = first == 0, ends = first + count == steps;
    float* c = p.c + row * p.cs + column;
    const float* gate = p.gate == nullptr ? nullptr : p.gate + row * p.gs + column;
    vf bias[N] = {};
    if (begins && p.bias != nullptr) load_block<N>(bias, p.bias + column, last);
    for (size_t r = 0; r < lines; ++r, c += p.cs) {
      vf sum[N];
      load_block<N>(sum, sums.values + r * kBlock, kLanes);
      if (!begins) load_block<N>(bias, c, last);
#pragma GCC unroll 2
      for (int n = 0; n < N; ++n) sum[n] += bias[n];
      if (ends && p.relu) {
#pragma GCC unroll 2
        for (int n = 0; n < N; ++n) sum[n] = sum[n] < 0 ? vf{} : sum[n];
      }
      if (ends && gate != nullptr) {
        vf open[N];
        load_block<N>(open, gate + r * p.gs, last);
#pragma GCC unroll 2
        for (int n = 0; n < N; ++n) sum[n] = open[n] > 0 ? sum[n] : vf{};
      }
      store_block<N>(c, last, sum);
    }
  }
};

template <class K>
void packed_product(const PackedProduct& p) {
  const Tiles tiles;
  const size_t steps = blocks(p.depth, kDepth), step = blocks(steps, blocks(steps, kSteps));
  for (size_t row = 0; row < p.rows; row += kBlock) {
    for (size_t first = 0; first < steps; first += step) {
      const ProductRows<K> rows{p, row, part(p.rows, row, kBlock), first, part(steps, first, step)};
      ProductRows<K>::take(rows, static_cast<Factor*>(p.scratch));
      for_column_blocks(p.width, rows);
    }
  }
}

// --- C += D^T X ------------------------------------------------------------------------------------------------------

// So many rows, and columns of X, are copied at a time.
constexpr size_t kCopiedRows = 256;
constexpr size_t kCopiedWidth = 512;

// Factors of X, then of 32 columns of D.
template <class K>
constexpr size_t copied_factors(size_t width) {
  return kCopiedRows * blocks(width, kSide) * kSide * K::kParts;
}

template <class K>
size_t transposed_product_scratch(size_t n) {
  return (copied_factors<K>(smaller(n, kCopiedWidth)) + copied_factors<K>(kBlock)) / 2;
}

// Rows [first, first + rows) of D and X, columns [column, column + width) of X.
template <class K>
struct CopiedRows {
  const TransposedProduct& p;
  size_t first, rows;
  size_t column, width;

  // Tiles: 16 columns, step, part.
  PRERANK_INLINE void take_x(const CopiedRows& c) {
    auto* to = static_cast<Factor*>(c.p.scratch);
    for (size_t at = 0; at < c.width; at += kSide) {
      const size_t columns = part(c.width, at, kSide), xs = c.p.xs;
      for (size_t r = 0; r < c.rows; r += kDepth, to += K::kParts * kTile) {
        const float* const from = c.p.x + (c.first + r) * xs + c.column + at;
        pair_lines<K>({from, xs, part(c.rows, r, kSide), columns},
                      {from + kSide * xs, xs, part(c.rows, r + kSide, kSide), columns}, to);
      }
    }
  }

  // Of D's columns [row, row + lines). Tiles: step, half of the columns, part.
  PRERANK_INLINE void take_d(const CopiedRows& c, size_t row, size_t lines, Factor* to) {
    const size_t ds = c.p.ds;
    for (size_t r = 0; r < c.rows; r += kDepth) {
      for (size_t half = 0; half < kBlock; half += kSide, to += K::kParts * kTile) {
        const float* const from = c.p.d + (c.first + r) * ds + row + half;
        const size_t columns = part(lines, half, kSide);
        pair_columns<K>({from, ds, part(c.rows, r, kSide), columns},
                        {from + kSide * ds, ds, part(c.rows, r + kSide, kSide), columns}, to);
      }
    }
  }
};

// Rows [row, row + lines) of C.
template <class K>
struct TransposedRows {
  const CopiedRows<K>& x;
  size_t row, lines;
  const Factor* d;

  template <int N>
  void columns(size_t from, size_t last) const {
    const TransposedProduct& p = x.p;
    const size_t steps = blocks(x.rows, kDepth), next = steps * K::kParts * kTile;
    Sums sums;
    Sums::multiply<K, N>(sums, steps, d, static_cast<const Factor*>(p.scratch) + from / kSide * next, next);
    float* c = p.c + row * p.n + x.column + from;
    for (size_t r = 0; r < lines; ++r, c += p.n) {
      vf sum[N];
      load_block<N>(sum, sums.values + r * kBlock, kLanes);
      add_block<N>(sum, c, last);
      store_block<N>(c, last, sum);
    }
  }
};

template <class K>
void transposed_product(const TransposedProduct& p) {
  const Tiles tiles;
  auto* const d = static_cast<Factor*>(p.scratch) + copied_factors<K>(smaller(p.n, kCopiedWidth));
  for (size_t first = 0; first < p.rows; first += kCopiedRows) {
    for (size_t column = 0; column < p.n; column += kCopiedWidth) {
      const CopiedRows<K> x{p, first, part(p.rows, first, kCopiedRows), column, part(p.n, column, kCopiedWidth)};
      CopiedRows<K>::take_x(x);
      for (size_t row = 0; row < p.m; row += kBlock) {
        const size_t lines = part(p.m, row, kBlock);
        CopiedRows<K>::take_d(x, row, lines, d);
        for_column_blocks(x.width, TransposedRows<K>{x, row, lines, d});
      }
    }
  }
}

template <class K>
ProductFunctions product_functions() {
  return {packed_items<K>,   pack<K>, packed_product_scratch<K>, packed_product<K>, transposed_product_scratch<K>,
          transposed_product<K>, K::kProducts};
}

}  // namespace

void add_tile_products(SimdTable& table) {
  table.float32_products = product_functions<Split3>();
  table.bfloat16_products = product_functions<Rounded>();
}

}  // namespace prerank::cpu::PRERANK_ISA
