// The numeric inner loops, as a table of functions with one instance per instruction set (see table.cc).
// Files of this folder are compiled once per instruction set: they use no inline function or template of the standard
// library, since the linker keeps one copy of such a function, perhaps one that this processor cannot run.
//
// Matrices are [rows, width] with a distance in floats between rows; a distance of 0 repeats one row.
#pragma once

#include <cstddef>
#include <cstdint>

#include "prerank/bfloat16.h"
#include "prerank/float16.h"

namespace prerank::cpu {

// dL/d(pooled) of one id input: row r of its domain at base + r * stride, as wide as the table.
// A null base (an input that this plan does not train) contributes nothing.
struct PooledGradient {
  const float* base = nullptr;
  size_t stride = 0;
};

enum MapFunction { kRelu, kSigmoid, kTanh, kExp, kLog, kSoftplus, kSquare, kSqrt, kAbs, kNeg, kMapFunctions };
enum BinaryFunction { kAdd, kSub, kMul, kDiv, kBinaryFunctions };

// One operand of a binary function: row distance, and 1, or 0 to use the row's first float in every column.
struct Operand {
  const float* data;
  size_t stride;
  size_t step;
};

template <class T>
struct BagArguments {
  size_t rows;
  size_t dim;
  const T* table;
  const uint32_t* ids;      // of the whole batch: offsets index it
  size_t id_count;          // of the whole batch
  const uint32_t* offsets;  // rows + 1, of this tile
  const float* weights;     // per id, or null
  bool mean;                // divide by the bag's length
  float* y;
  size_t ys;
};

struct DropoutArguments {
  uint32_t key[2];
  uint32_t first_row;  // in the batch
  uint32_t op;
  uint32_t step;
  uint32_t threshold;  // bits below it drop the element
  float scale;
};

// C [rows, width] = A [rows, depth] B + bias, B packed. Items are of 4 bytes: a float32, or two bfloat16. The bias may be null; with relu C is max(C, 0).
struct PackedProduct {
  size_t rows, depth, width;
  const float* a;
  size_t as;
  const void* packed;
  const float* bias;
  bool relu;
  const float* gate;  // [rows, width], or null: 0 where it is not above 0
  size_t gs;
  float* c;
  size_t cs;
  void* scratch;  // packed_product_scratch(rows) items
};

// B [depth, width], neighbours `row` and `column` floats apart (one of them 1), into packed_items(depth, width) items. Of `parts` calls
// with part = 0 ... parts - 1, by any threads, each writes its share.
struct PackArguments {
  size_t depth, width;
  const float* b;
  size_t row, column;
  size_t part, parts;
  void* packed;
};

// C [m, n], contiguous, += D^T X with D [rows, m] and X [rows, n].
struct TransposedProduct {
  size_t rows, m, n;
  const float* d;
  size_t ds;
  const float* x;
  size_t xs;
  float* c;
  void* scratch;  // transposed_product_scratch(n) items
};

struct ProductFunctions {
  size_t (*packed_items)(size_t depth, size_t width);
  void (*pack)(const PackArguments& a);
  size_t (*packed_product_scratch)(size_t rows);
  void (*packed_product)(const PackedProduct& p);
  size_t (*transposed_product_scratch)(size_t n);
  void (*transposed_product)(const TransposedProduct& p);
  int tile_products;  // of bfloat16, for each product of the operands; 0: made without tiles
};

// Adagrad and Adam constants, prepared once per call.
struct UpdateConstants {
  float lr;
  float grad_scale;
  float l2;
  float epsilon;
  float momentum;
  float beta1, beta2;
  float rest1, rest2;  // 1 - beta, rounded once: from rounded betas it would be off by 1e-5
  float m_rate;   // lr / (1 - beta1^t)
  float v_scale;  // 1 / sqrt(1 - beta2^t)
  float decay;    // AdamW: w is first multiplied by this (1 otherwise)
};

// Distinct rows [begin, end) of one table's batch index; see batch.h.
struct SparseRows {
  const uint32_t* rows;
  const uint32_t* slots;  // where each row lies in weights and state
  const uint32_t* starts;
  const uint32_t* bags;
  const uint16_t* inputs;     // null: `input` throughout, with coefficient 1
  const float* coefficients;  // null where inputs is
  uint16_t input;
  size_t entries;  // of the whole index
  size_t begin, end;
  const PooledGradient* gradients;
  size_t dim;
  uint64_t rounding;  // tables of 16 bits: what the random bits of this step's rounding follow from
};

// rank_best orders so many scores at most.
constexpr size_t kMostRanked = 256;

// Lookups, summed in float32, and updates of tables that hold T: float, Bfloat16 or Float16. Weights of 16 bits are
// rounded to one of their two neighbours at random, so that they are right on average.
template <class T>
struct TableFunctions {
  // One id per row: `ids` of this tile, `id_count` of them readable for prefetching.
  void (*rows)(size_t rows, size_t dim, const T* table, const uint32_t* ids, size_t id_count, float* y, size_t ys);
  void (*bags)(const BagArguments<T>& a);
  void (*sgd)(const SparseRows& rows, const UpdateConstants& c, T* w);
  void (*adagrad)(const SparseRows& rows, const UpdateConstants& c, T* w, float* sum);
  void (*rowwise_adagrad)(const SparseRows& rows, const UpdateConstants& c, T* w, float* sum);
  void (*adam)(const SparseRows& rows, const UpdateConstants& c, T* w, float* m, float* v);
};

struct SimdTable {
  // hashes[i] = xxh64 of the 8 little-endian bytes of words[i], seed 0.
  void (*hash_words)(size_t count, const int64_t* words, uint64_t* hashes);
  // rows[i] = hashes[i] mod buckets, for buckets from 1 to 2^32; reciprocal = floor(2^64 / buckets), or 2^64 - 1 for 1.
  void (*bucket_rows)(size_t count, const uint64_t* hashes, uint64_t buckets, uint64_t reciprocal, uint32_t* rows);
  // Registers of a HyperLogLog sketch, 2^14 of them aligned to 4 bytes: each hash raises the one that its upper 14 bits
  // choose to the rank of the others, one more than the zeros that they begin with.
  void (*raise_ranks)(size_t count, const uint64_t* hashes, uint8_t* registers);

  // How many of the first codes equal `code`.
  size_t (*run_length)(size_t count, const uint32_t* codes, uint32_t code);
  // Sums of |b - a| and of |b|, in float64 and an order that depends on `count` alone; false when a or b has a value that
  // is not finite.
  bool (*score_distance)(size_t count, const float* a, const float* b, double* difference, double* size);
  // Places of the k best scores, best first, equal ones by place; all when there are fewer than k. Scores are finite;
  // `places` holds kMostRanked. Returns how many, or 0 when more than kMostRanked would have to be compared: perhaps for
  // k above 112 and whenever many scores are equal.
  size_t (*rank_best)(size_t count, const float* scores, size_t k, uint32_t* places);

  // y = f(x); y may be x.
  void (*map[kMapFunctions])(size_t rows, size_t width, const float* x, size_t xs, float* y, size_t ys);
  // dX = dY * f'(v), v being y for relu, sigmoid, tanh, exp and sqrt, else x; dX may be dY. Null for kNeg.
  void (*map_grad[kMapFunctions])(size_t rows, size_t width, const float* dy, size_t dys, const float* v, size_t vs,
                                  float* dx, size_t dxs);
  // c = a (op) b; c may be a or b where that operand is not repeated.
  void (*binary[kBinaryFunctions])(size_t rows, size_t width, Operand a, Operand b, float* c, size_t cs);
  void (*affine)(size_t rows, size_t width, float scale, float shift, const float* x, size_t xs, float* y, size_t ys);
  void (*dropout)(size_t rows, size_t width, const DropoutArguments& a, const float* x, size_t xs, float* y, size_t ys);

  // y[r] = sum over columns of a * b, or of x.
  void (*row_dot)(size_t rows, size_t width, const float* a, size_t as, const float* b, size_t bs, float* y, size_t ys);
  void (*row_sum)(size_t rows, size_t width, const float* x, size_t xs, float* y, size_t ys);
  // y[c] += sum over rows of x[r][c].
  void (*column_sum)(size_t rows, size_t width, const float* x, size_t xs, float* y);

  // y[r] = log of the sum over columns of e^x.
  void (*log_sum_exp)(size_t rows, size_t width, const float* x, size_t xs, float* y, size_t ys);
  // Over each `group` columns.
  void (*softmax)(size_t rows, size_t groups, size_t group, const float* x, size_t xs, float* y, size_t ys);
  void (*softmax_grad)(size_t rows, size_t groups, size_t group, const float* dy, size_t dys, const float* y, size_t ys,
                       float* dx, size_t dxs);

  void (*weighted_sum)(size_t rows, size_t experts, size_t dim, const float* gates, size_t gs, const float* x,
                       size_t xs, float* y, size_t ys);
  void (*weighted_sum_grad)(size_t rows, size_t experts, size_t dim, const float* dy, size_t dys, const float* gates,
                            size_t gs, const float* x, size_t xs, float* dgates, size_t dgs, float* dx, size_t dxs);

  // Columns in `groups` of `dim`: y = gates[g] * x, or the sum over a group of a * b.
  void (*scale_groups)(size_t rows, size_t groups, size_t dim, const float* gates, size_t gs, const float* x, size_t xs,
                       float* y, size_t ys);
  void (*group_dot)(size_t rows, size_t groups, size_t dim, const float* a, size_t as, const float* b, size_t bs,
                    float* y, size_t ys);

  void (*dot_interaction)(size_t rows, size_t features, size_t dim, const float* x, size_t xs, float* y, size_t ys);
  void (*dot_interaction_grad)(size_t rows, size_t features, size_t dim, const float* dy, size_t dys, const float* x,
                               size_t xs, bool accumulate, float* dx, size_t dxs);

  // Operands as they are, or rounded to bfloat16; sums are float32.
  ProductFunctions float32_products, bfloat16_products;

  // Products with few outputs, w [out, in] contiguous: y = x w^T + bias (may be null), dx = d w, dw += d^T
  // x.
  void (*linear)(size_t rows, size_t in, size_t out, const float* x, size_t xs, const float* w, const float* bias,
                 float* y, size_t ys);
  void (*linear_dx)(size_t rows, size_t in, size_t out, const float* d, size_t ds, const float* w, float* dx,
                    size_t dxs);
  void (*linear_dw)(size_t rows, size_t in, size_t out, const float* d, size_t ds, const float* x, size_t xs,
                    float* dw);

  // Tables by what they hold.
  TableFunctions<float> float32_tables;
  TableFunctions<Bfloat16> bfloat16_tables;
  TableFunctions<Float16> float16_tables;

  // Contiguous: loss, gradient and sigmoid of cross entropy with logits a and labels y.
  void (*bce)(size_t n, const float* a, const float* y, float* loss, float* grad, float* p);

  void (*dense_sgd)(size_t n, const UpdateConstants& c, float* w, const float* g);
  void (*dense_momentum)(size_t n, const UpdateConstants& c, float* w, const float* g, float* buffer);
  void (*dense_adagrad)(size_t n, const UpdateConstants& c, float* w, const float* g, float* sum);
  void (*dense_adam)(size_t n, const UpdateConstants& c, float* w, const float* g, float* m, float* v);

  double (*sparse_norm_sq)(const SparseRows& rows);

  // y = x0 + x1 + ... over `count` arrays in that order; y may be x[0].
  void (*sum_arrays)(size_t n, const float* const* x, size_t count, float* y);
  double (*norm_sq)(size_t n, const float* x);
};

namespace baseline {
SimdTable make_table();
}
namespace avx2 {
SimdTable make_table();
}
namespace avx512 {
SimdTable make_table();
}
// On top of the table for AVX-512.
namespace avx512bf16 {
void add_bfloat16_products(SimdTable& table);
}
namespace amx {
void add_tile_products(SimdTable& table);
}

}  // namespace prerank::cpu
