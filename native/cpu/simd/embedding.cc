// Pooled rows of embedding tables. Ids come ahead of use, so rows are prefetched.
#include "cpu/simd/functions.h"
#include "cpu/simd/vec.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

constexpr size_t kAhead = 32;         // rows; measured: 16 to 48 are alike for rows below 256 bytes
constexpr size_t kLineBytes = 64;     // a cache line
constexpr size_t kPrefetchLines = 8;  // the hardware follows longer rows by itself

template <class T>
PRERANK_INLINE void prefetch_row(const T* row, size_t dim) {
  constexpr size_t kLine = kLineBytes / sizeof(T);
  const size_t lines = (dim + kLine - 1) / kLine;
  for (size_t i = 0; i < lines && i < kPrefetchLines; ++i) __builtin_prefetch(row + i * kLine);
}

template <int N, class T>
PRERANK_INLINE void copy_block(size_t column, size_t last, const T* row, float* y) {
  vf v[N];
  load_block<N>(v, row + column, last);
  store_block<N>(y + column, last, v);
}

template <class T>
void embedding_rows(size_t rows, size_t dim, const T* table, const uint32_t* ids, size_t id_count, float* y, size_t ys) {
  for (size_t r = 0; r < rows; ++r, y += ys) {
    if (r + kAhead < id_count) prefetch_row(table + size_t{ids[r + kAhead]} * dim, dim);
    PRERANK_FOR_BLOCKS(dim, copy_block, table + size_t{ids[r]} * dim, y)
  }
}

template <int N, class T>
PRERANK_INLINE void bag_block(size_t column, size_t last, const BagArguments<T>& a, size_t begin, size_t end,
                              float scale, float* y) {
  vf sum[N] = {};
  for (size_t i = begin; i < end; ++i) {
    if (column == 0 && i + kAhead < a.id_count) prefetch_row(a.table + size_t{a.ids[i + kAhead]} * a.dim, a.dim);
    const float weight = a.weights == nullptr ? 1.0f : a.weights[i];
    add_scaled_block<N>(sum, weight, a.table + size_t{a.ids[i]} * a.dim + column, last);
  }
  for (int n = 0; n < N; ++n) sum[n] *= scale;
  store_block<N>(y + column, last, sum);
}

template <class T>
void embedding_bags(const BagArguments<T>& a) {
  float* y = a.y;
  for (size_t r = 0; r < a.rows; ++r, y += a.ys) {
    const size_t begin = a.offsets[r], end = a.offsets[r + 1];
    const float scale = a.mean && end > begin ? 1.0f / static_cast<float>(end - begin) : 1.0f;
    PRERANK_FOR_BLOCKS(a.dim, bag_block, a, begin, end, scale, y)
  }
}

template <class T>
void add_lookups(TableFunctions<T>& functions) {
  functions.rows = embedding_rows<T>;
  functions.bags = embedding_bags<T>;
}

}  // namespace

void add_embedding(SimdTable& table) {
  add_lookups(table.float32_tables);
  add_lookups(table.bfloat16_tables);
  add_lookups(table.float16_tables);
}

}  // namespace prerank::cpu::PRERANK_ISA
