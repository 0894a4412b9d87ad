// Matrix products of dense layers in tiles, in bfloat16 and in float32.
#include <type_traits>

#include "cpu/simd/functions.h"
#include "cpu/simd/tile_factors.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

// Fetches what a block's sums will be added to or stored in while they are made, if that takes long enough.
template <class K, int N, class T>
PRERANK_INLINE void fetch_block(size_t depth, T* from, size_t stride, size_t lines) {
  if (depth * K::kProducts < 256) return;
  for (size_t r = 0; r < lines; ++r, from += stride) {
    __builtin_prefetch(from, std::is_const_v<T> ? 0 : 1);
    if constexpr (N == 2) __builtin_prefetch(from + kSide, std::is_const_v<T> ? 0 : 1);
  }
}

// --- C = A B, B packed -----------------------------------------------------------------------------------------------

template <class K>
size_t packed_items(size_t depth, size_t width) {
  return blocks(width, kSide) * factors<K>(steps_of<K>(depth)) / 2;
}

// Tiles: 16 columns, step of depth, part.
template <class K>
void pack(const PackArguments& p) {
  const size_t next = factors<K>(steps_of<K>(p.depth));
  for (size_t tile = p.part; tile < blocks(p.width, kSide); tile += p.parts) {
    const size_t column = tile * kSide;
    make_column_factors<K>({p.b + column * p.column, p.row, p.column, part(p.width, column, kSide)}, p.depth,
                           static_cast<Factor*>(p.packed) + tile * next);
  }
}

constexpr size_t kSteps = 16;          // full ones that are summed before they are added to the result, at most
constexpr size_t kPanel = 768 * 1024;  // bytes of B that stay in the L2 cache while all rows pass

// Of 32 rows, over as much depth as is summed at a time.
template <class K>
constexpr size_t kRowFactors = 2 * (kSteps * K::kParts + (K::kRest > 0 ? 1 : 0)) * kTile;

template <class K>
size_t packed_product_scratch(size_t) {
  return 2 * kRowFactors<K> / 2;
}

// What is computed at a time: 32 rows by some columns, over a part of the depth.
struct Region {
  size_t row, rows;
  size_t column, columns;
  size_t first, depth;
  bool begins, ends;  // the depth
};

// A product's regions: all rows for each part of B, which is so small that it stays in the L2 cache.
template <class K>
struct Regions {
  const PackedProduct& p;
  size_t rows;           // blocks of them
  size_t groups, group;  // of columns: how many, and how many columns each but the last has
  size_t parts, steps;   // of the depth: how many, and how many steps

  PRERANK_INLINE Regions of(const PackedProduct& p) {
    const size_t full = steps_of<K>(p.depth).full, parts = full == 0 ? 1 : blocks(full, kSteps);
    const size_t steps = blocks(full, parts), column_blocks = blocks(p.width, kBlock);
    const size_t most = kPanel / (2 * (steps + 1) * K::kParts * kTile * sizeof(Factor));
    const size_t groups = blocks(column_blocks, most);
    return {p, blocks(p.rows, kBlock), groups, blocks(column_blocks, groups) * kBlock, parts, steps};
  }
  PRERANK_INLINE size_t count(const Regions& r) { return r.rows * r.groups * r.parts; }
  PRERANK_INLINE Region at(const Regions& r, size_t index) {
    Region region;
    region.row = index % r.rows * kBlock;
    region.rows = part(r.p.rows, region.row, kBlock);
    region.column = index / r.rows % r.groups * r.group;
    region.columns = part(r.p.width, region.column, r.group);
    const size_t at = index / r.rows / r.groups;
    region.begins = at == 0;
    region.ends = at + 1 == r.parts;
    region.first = at * r.steps * kDepth;
    region.depth = region.ends ? r.p.depth - region.first : r.steps * kDepth;
    return region;
  }
  // A's factors for a region, none for the index after the last.
  PRERANK_INLINE RowFactors<K> factors(const Regions& r, size_t index, Factor* to) {
    if (index == count(r)) return {r.p.a, 0, 0, 0, to};
    const Region region = at(r, index);
    return {r.p.a + region.row * r.p.as + region.first, r.p.as, region.rows, region.depth, to};
  }
};

template <class K>
struct PackedColumns {
  const PackedProduct& p;
  const Region& region;
  const Factor* a;
  RowFactors<K>& work;

  template <int N>
  void columns(size_t from, size_t last) const {
    const size_t column = region.column + from, next = factors<K>(steps_of<K>(p.depth));
    const Factor* const b = static_cast<const Factor*>(p.packed) + column / kSide * next +
                            region.first / kDepth * K::kParts * kTile;
    float* c = p.c + region.row * p.cs + column;
    const float* gate = p.gate == nullptr ? nullptr : p.gate + region.row * p.gs + column;
    fetch_block<K, N>(region.depth, c, p.cs, region.rows);
    if (region.ends && gate != nullptr) fetch_block<K, N>(region.depth, gate, p.gs, region.rows);
    Sums sums;
    Sums::multiply<K, N>(sums, steps_of<K>(region.depth), {a, b, next, region.row == 0}, work);
    vf bias[N] = {};
    if (region.begins && p.bias != nullptr) load_block<N>(bias, p.bias + column, last);
    for (size_t r = 0; r < region.rows; ++r, c += p.cs) {
      vf sum[N];
      load_block<N>(sum, sums.values + r * kBlock, kLanes);
      if (!region.begins) load_block<N>(bias, c, last);
#pragma GCC unroll 2
      for (int n = 0; n < N; ++n) sum[n] += bias[n];
      if (region.ends && p.relu) {
#pragma GCC unroll 2
        for (int n = 0; n < N; ++n) sum[n] = sum[n] < 0 ? vf{} : sum[n];
      }
      if (region.ends && gate != nullptr) {
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
  const auto regions = Regions<K>::of(p);
  auto* const scratch = static_cast<Factor*>(p.scratch);
  Regions<K>::factors(regions, 0, scratch).finish();
  for (size_t i = 0; i < Regions<K>::count(regions); ++i) {
    const Region region = Regions<K>::at(regions, i);
    auto next = Regions<K>::factors(regions, i + 1, scratch + (i + 1) % 2 * kRowFactors<K>);
    for_column_blocks(region.columns, PackedColumns<K>{p, region, scratch + i % 2 * kRowFactors<K>, next});
    next.finish();
  }
}

// --- C += D^T X ------------------------------------------------------------------------------------------------------

// So many rows, and columns of X, are copied at a time.
constexpr size_t kCopiedRows = 256;
constexpr size_t kCopiedWidth = 512;

// Factors of X, and of 32 columns of D twice.
template <class K>
constexpr size_t copied_factors(size_t width) {
  return kCopiedRows * blocks(width, kSide) * kSide * K::kParts;
}

template <class K>
size_t transposed_product_scratch(size_t n) {
  return (copied_factors<K>(smaller(n, kCopiedWidth)) + 2 * copied_factors<K>(kBlock)) / 2;
}

// Rows [first, first + rows) of D and X, columns [column, column + width) of X.
template <class K>
struct CopiedRows {
  const TransposedProduct& p;
  size_t first, rows;
  size_t column, width;

  // Tiles: 16 columns, step, part.
  PRERANK_INLINE void take_x(const CopiedRows& c) {
    make_factors<K>(c.p.x + c.first * c.p.xs + c.column, c.p.xs, c.width, c.rows, static_cast<Factor*>(c.p.scratch));
  }

  // Those of D's columns [row, row + 32), none beyond the last.
  PRERANK_INLINE TurnedFactors<K> turned_d(const CopiedRows& c, size_t row, Factor* to) {
    return {c.p.d + c.first * c.p.ds + row, c.p.ds, part(c.p.m, row, kBlock), c.rows, to};
  }
};

// Rows [row, row + lines) of C.
template <class K>
struct TransposedRows {
  const CopiedRows<K>& x;
  size_t row, lines;
  const Factor* d;
  TurnedFactors<K>& work;

  template <int N>
  void columns(size_t from, size_t last) const {
    const TransposedProduct& p = x.p;
    const Steps steps = steps_of<K>(x.rows);
    const size_t next = factors<K>(steps);
    float* c = p.c + row * p.n + x.column + from;
    fetch_block<K, N>(x.rows, c, p.n, lines);
    Sums sums;
    Sums::multiply<K, N>(sums, steps, {d, static_cast<const Factor*>(p.scratch) + from / kSide * next, next, false},
                         work);
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
  constexpr size_t kNext = copied_factors<K>(kBlock);
  auto* const d = static_cast<Factor*>(p.scratch) + copied_factors<K>(smaller(p.n, kCopiedWidth));
  for (size_t first = 0; first < p.rows; first += kCopiedRows) {
    for (size_t column = 0; column < p.n; column += kCopiedWidth) {
      const CopiedRows<K> x{p, first, part(p.rows, first, kCopiedRows), column, part(p.n, column, kCopiedWidth)};
      CopiedRows<K>::take_x(x);
      CopiedRows<K>::turned_d(x, 0, d).finish();
      for (size_t row = 0; row < p.m; row += kBlock) {
        const size_t at = row / kBlock % 2;
        auto next = CopiedRows<K>::turned_d(x, row + kBlock, d + (1 - at) * kNext);
        for_column_blocks(x.width, TransposedRows<K>{x, row, part(p.m, row, kBlock), d + at * kNext, next});
        next.finish();
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
