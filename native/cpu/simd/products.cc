// Matrix products with blocks of the result held in registers. An element of the result is one sum in the order of
// `depth`, whatever block computes it: rows give the same numbers alone and among others.
#include "cpu/simd/functions.h"
#include "cpu/simd/vec.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

// Two vectors of columns by as many rows as registers hold beside a row of the panel and a factor.
constexpr size_t kPanel = 2 * kLanes;
#if defined(__AVX512F__)
constexpr size_t kRowBlock = 14;
#elif defined(__aarch64__)
constexpr size_t kRowBlock = 12;
#else
constexpr size_t kRowBlock = 6;
#endif

// sum [M, N vectors] += A B over `depth`; neighbours in A are a_row and a_depth apart, rows of B b_depth.
template <int M, int N>
PRERANK_INLINE void multiply(vf (&sum)[M][N], size_t depth, const float* a, size_t a_row, size_t a_depth,
                             const float* b, size_t b_depth) {
  for (size_t k = 0; k < depth; ++k, a += a_depth, b += b_depth) {
    vf columns[N];
#pragma GCC unroll 2
    for (int n = 0; n < N; ++n) columns[n] = load(b + static_cast<size_t>(n) * kLanes);
#pragma GCC unroll 14
    for (int m = 0; m < M; ++m) {
      const vf factor = splat(a[static_cast<size_t>(m) * a_row]);
#pragma GCC unroll 2
      for (int n = 0; n < N; ++n) sum[m][n] += factor * columns[n];
    }
  }
}

// f.template run<M>(row) for blocks of rows that cover [0, rows).
template <class Block>
PRERANK_INLINE void for_row_blocks(size_t rows, const Block& f) {
  size_t row = 0;
  for (; row + kRowBlock <= rows; row += kRowBlock) f.template run<kRowBlock>(row);
  if (kRowBlock > 8 && row + 8 <= rows) {
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

// Depths [first, first + depth) of a product, whose columns of A are at `a`.
struct Part {
  const PackedProduct& p;
  size_t first, depth;
  const float* a;
  size_t as;
};

// The part's columns in a panel of N vectors, the last one with `last` of them.
template <int N>
struct PackedBlock {
  const Part& part;
  const float* panel;
  size_t column, last;

  template <int M>
  void run(size_t row) const {
    const PackedProduct& p = part.p;
    float* const c = p.c + row * p.cs + column;
    vf sum[M][N] = {};
    if (part.first > 0) {
#pragma GCC unroll 14
      for (int m = 0; m < M; ++m) load_block<N>(sum[m], c + static_cast<size_t>(m) * p.cs, last);
    } else if (p.bias != nullptr) {
      load_block<N>(sum[0], p.bias + column, last);
#pragma GCC unroll 14
      for (int m = 1; m < M; ++m) {
#pragma GCC unroll 2
        for (int n = 0; n < N; ++n) sum[m][n] = sum[0][n];
      }
    }
    multiply<M, N>(sum, part.depth, part.a + row * part.as, part.as, 1, panel + part.first * N * kLanes, N * kLanes);
    const bool done = part.first + part.depth == p.depth;
    const bool relu = p.relu && done;
    const float* const gate = done ? p.gate : nullptr;
#pragma GCC unroll 14
    for (int m = 0; m < M; ++m) {
      if (relu) {
#pragma GCC unroll 2
        for (int n = 0; n < N; ++n) sum[m][n] = sum[m][n] < 0 ? vf{} : sum[m][n];
      }
      if (gate != nullptr) {
        vf open[N];
        load_block<N>(open, gate + (row + static_cast<size_t>(m)) * p.gs + column, last);
#pragma GCC unroll 2
        for (int n = 0; n < N; ++n) sum[m][n] = open[n] > 0 ? sum[m][n] : vf{};
      }
      store_block<N>(c + static_cast<size_t>(m) * p.cs, last, sum[m]);
    }
  }
};

void run_panels(const Part& part) {
  const PackedProduct& p = part.p;
  for (size_t column = 0; column < p.width; column += kPanel) {
    const size_t left = p.width - column;
    const float* panel = p.packed + column * p.depth;
    if (left > kLanes) {
      for_row_blocks(p.rows, PackedBlock<2>{part, panel, column, left < kPanel ? left - kLanes : kLanes});
    } else {
      for_row_blocks(p.rows, PackedBlock<1>{part, panel, column, left});
    }
  }
}

// Up to this depth A and a panel stay in the caches as they are. Beyond, A is copied `kCopiedDepth` columns at a time, so
// that rows a power of two apart do not push each other out.
constexpr size_t kDirectDepth = 640;
constexpr size_t kCopiedDepth = 256;
constexpr size_t kCopiedStride = kCopiedDepth + 16;

size_t packed_product_scratch(size_t rows, size_t depth) { return depth <= kDirectDepth ? 0 : rows * kCopiedStride; }

void packed_product(const PackedProduct& p) {
  if (p.depth <= kDirectDepth) {
    run_panels({p, 0, p.depth, p.a, p.as});
    return;
  }
  for (size_t first = 0; first < p.depth; first += kCopiedDepth) {
    const size_t depth = p.depth - first < kCopiedDepth ? p.depth - first : kCopiedDepth;
    for (size_t r = 0; r < p.rows; ++r) {
      __builtin_memcpy(p.scratch + r * kCopiedStride, p.a + r * p.as + first, depth * sizeof(float));
    }
    run_panels({p, first, depth, p.scratch, kCopiedStride});
  }
}

size_t packed_floats(size_t depth, size_t width) { return (width + kLanes - 1) / kLanes * kLanes * depth; }

// Depths copied at a time, column after column: their part of a panel stays in the L1 cache.
constexpr size_t kPackedDepth = 64;

// Panel after panel, each [depth, N vectors], padded with zeros.
void pack(const PackArguments& a) {
  const size_t panels = (a.width + kPanel - 1) / kPanel;
  for (size_t panel = a.part; panel < panels; panel += a.parts) {
    const size_t column = panel * kPanel, left = a.width - column;
    const size_t wide = left > kLanes ? kPanel : kLanes, used = left < wide ? left : wide;
    float* to = a.packed + column * a.depth;
    for (size_t first = 0; first < a.depth; first += kPackedDepth) {
      const size_t end = a.depth - first < kPackedDepth ? a.depth : first + kPackedDepth;
      for (size_t c = 0; c < used; ++c) {
        const float* from = a.b + (column + c) * a.column;
        for (size_t k = first; k < end; ++k) to[k * wide + c] = from[k * a.row];
      }
      for (size_t c = used; c < wide; ++c) {
        for (size_t k = first; k < end; ++k) to[k * wide + c] = 0;
      }
    }
  }
}

// Up to this width X is read where it lies: its panels stay in the caches as they are. Wider ones, and ends of rows that
// fill no vector, are copied, `kCopiedRows` rows of `kCopiedWidth` columns at a time, and D's columns for each block.
constexpr size_t kDirectWidth = 160;
constexpr size_t kCopiedRows = 128;
constexpr size_t kCopiedWidth = 512;

// Adds D^T X over some rows to a panel of N vectors of C's columns, the last one with `last` of them.
template <int N>
struct TransposedBlock {
  const TransposedProduct& p;
  size_t rows;
  const float* d;
  size_t ds;
  const float* x;
  size_t xs;
  size_t column, last;

  template <int M>
  void run(size_t row) const {
    add<M>(row, d + row);
  }
  template <int M>
  void add(size_t row, const float* columns) const {
    vf sum[M][N] = {};
    multiply<M, N>(sum, rows, columns, 1, ds, x, xs);
    float* c = p.c + row * p.n + column;
#pragma GCC unroll 14
    for (int m = 0; m < M; ++m, c += p.n) {
      vf before[N];
      load_block<N>(before, c, last);
#pragma GCC unroll 2
      for (int n = 0; n < N; ++n) before[n] += sum[m][n];
      store_block<N>(c, last, before);
    }
  }
};

// Rows [first, first + rows) of the columns [column, column + width) of X, panel after panel in the scratch.
struct CopiedColumns {
  const TransposedProduct& p;
  size_t first, rows;
  size_t column, width;

  template <int N>
  void copy_panel(size_t from, size_t last) const {
    const float* x = p.x + first * p.xs + column + from;
    float* to = p.scratch + from * kCopiedRows;
    for (size_t r = 0; r < rows; ++r, x += p.xs, to += N * kLanes) {
      vf v[N];
      load_block<N>(v, x, last);
      store_block<N>(to, kLanes, v);
    }
  }

  void copy() const {
    for (size_t from = 0; from < width; from += kPanel) {
      const size_t left = width - from;
      if (left > kLanes) {
        copy_panel<2>(from, left < kPanel ? left - kLanes : kLanes);
      } else {
        copy_panel<1>(from, left);
      }
    }
  }

  // Rows [row, row + M) of C.
  template <int M>
  void run(size_t row) const {
    float d[kCopiedRows * M];
    for (size_t r = 0; r < rows; ++r) {
      __builtin_memcpy(d + r * M, p.d + (first + r) * p.ds + row, M * sizeof(float));
    }
    for (size_t from = 0; from < width; from += kPanel) {
      const size_t left = width - from;
      const float* panel = p.scratch + from * kCopiedRows;
      if (left > kLanes) {
        const size_t last = left < kPanel ? left - kLanes : kLanes;
        TransposedBlock<2>{p, rows, d, M, panel, kPanel, column + from, last}.template add<M>(row, d);
      } else {
        TransposedBlock<1>{p, rows, d, M, panel, kLanes, column + from, left}.template add<M>(row, d);
      }
    }
  }
};

bool is_direct(size_t n) { return n <= kDirectWidth && n % kLanes == 0; }

size_t transposed_product_scratch(size_t n) {
  const size_t padded = (n + kLanes - 1) / kLanes * kLanes;
  return is_direct(n) ? 0 : kCopiedRows * (padded < kCopiedWidth ? padded : kCopiedWidth);
}

void transposed_product(const TransposedProduct& p) {
  if (is_direct(p.n)) {
    for (size_t column = 0; column < p.n; column += kPanel) {
      const float* x = p.x + column;
      if (p.n - column > kLanes) {
        for_row_blocks(p.m, TransposedBlock<2>{p, p.rows, p.d, p.ds, x, p.xs, column, kLanes});
      } else {
        for_row_blocks(p.m, TransposedBlock<1>{p, p.rows, p.d, p.ds, x, p.xs, column, kLanes});
      }
    }
    return;
  }
  for (size_t first = 0; first < p.rows; first += kCopiedRows) {
    const size_t rows = p.rows - first < kCopiedRows ? p.rows - first : kCopiedRows;
    for (size_t column = 0; column < p.n; column += kCopiedWidth) {
      const size_t width = p.n - column < kCopiedWidth ? p.n - column : kCopiedWidth;
      const CopiedColumns columns{p, first, rows, column, width};
      columns.copy();
      for_row_blocks(p.m, columns);
    }
  }
}

}  // namespace

void add_products(SimdTable& table) {
  table.packed_floats = packed_floats;
  table.pack = pack;
  table.packed_product_scratch = packed_product_scratch;
  table.packed_product = packed_product;
  table.transposed_product_scratch = transposed_product_scratch;
  table.transposed_product = transposed_product;
}

}  // namespace prerank::cpu::PRERANK_ISA
