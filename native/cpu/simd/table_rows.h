// A row of a table that is about to change: float32 weights as they are, or 16 bits rounded at random.
#pragma once

#include "base/table_rounding.h"
#include "cpu/simd/table.h"
#include "cpu/simd/vec.h"

namespace prerank::cpu::PRERANK_ISA {

struct FloatRow {
  float* w;
};

// Random bits are a function of step, table, row and column: neither instruction set nor threads nor tiles change them.
struct RoundedRow {
  Bfloat16* w;
  uint32_t key0, key1;
};

PRERANK_INLINE FloatRow row_of(const SparseRows& s, size_t u, float* w) { return {w + size_t{s.slots[u]} * s.dim}; }

PRERANK_INLINE RoundedRow row_of(const SparseRows& s, size_t u, Bfloat16* w) {
  const uint64_t keys = row_rounding(s.rounding, s.rows[u]);
  return {w + size_t{s.slots[u]} * s.dim, static_cast<uint32_t>(keys), static_cast<uint32_t>(keys >> 32)};
}

// column_rounding() of kLanes columns.
PRERANK_INLINE vu rounding_bits(const RoundedRow& row, size_t column) {
  vu x = reinterpret_cast<vu>(lane_numbers()) + (row.key0 + static_cast<uint32_t>(column));
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  x ^= row.key1;
  return x >> 16;
}

template <int N>
PRERANK_INLINE void load_row(vf (&v)[N], const FloatRow& row, size_t column, size_t last) {
  load_block<N>(v, row.w + column, last);
}
template <int N>
PRERANK_INLINE void load_row(vf (&v)[N], const RoundedRow& row, size_t column, size_t last) {
  load_block<N>(v, row.w + column, last);
}

template <int N>
PRERANK_INLINE void store_row(const FloatRow& row, size_t column, size_t last, const vf (&v)[N]) {
  store_block<N>(row.w + column, last, v);
}
// What is cut off decides how often the bits carry into the upper half: up with the probability of the remainder.
template <int N>
PRERANK_INLINE void store_row(const RoundedRow& row, size_t column, size_t last, const vf (&v)[N]) {
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) {
    const size_t first = column + static_cast<size_t>(n) * kLanes;
    const vu exact = reinterpret_cast<vu>(v[n]);
    store_upper_part(row.w + first, n + 1 < N ? kLanes : last, exact + rounding_bits(row, first));
  }
}

}  // namespace prerank::cpu::PRERANK_ISA
