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
template <class T>
struct RoundedRow {
  T* w;
  uint32_t key0, key1;
};

PRERANK_INLINE FloatRow row_of(const SparseRows& s, size_t u, float* w) { return {w + size_t{s.slots[u]} * s.dim}; }

template <class T>
PRERANK_INLINE RoundedRow<T> row_of(const SparseRows& s, size_t u, T* w) {
  const uint64_t keys = row_rounding(s.rounding, s.rows[u]);
  return {w + size_t{s.slots[u]} * s.dim, static_cast<uint32_t>(keys), static_cast<uint32_t>(keys >> 32)};
}

// column_rounding() of kLanes columns.
template <class T>
PRERANK_INLINE vu rounding_bits(const RoundedRow<T>& row, size_t column) {
  vu x = reinterpret_cast<vu>(lane_numbers()) + (row.key0 + static_cast<uint32_t>(column));
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  return x ^ row.key1;
}

// rounded_to_bfloat16() of kLanes weights.
PRERANK_INLINE vu rounded(const RoundedRow<Bfloat16>&, vf exact, vu random) {
  return (reinterpret_cast<vu>(exact) + (random >> 16)) >> 16;
}

// rounded_to_float16() of kLanes weights: the same numbers, with float32 for the shifts that differ between lanes.
PRERANK_INLINE vu rounded(const RoundedRow<Float16>&, vf exact, vu random) {
  constexpr int32_t kInfinity = 0x7f800000, kLargest = 0x477fe000, kNormal = 113 << 23;
  const vi magnitude = as_int(exact) & 0x7fffffff;
  const vi finite = magnitude < kLargest ? magnitude : splat_int(kLargest);
  const vi exponent = finite & kInfinity;
  const vi binade = exponent > kNormal ? exponent : splat_int(kNormal);
  // In units of the spacing: below 2^11, and exact.
  const vf scaled = as_float(finite) * as_float(reinterpret_cast<vi>((264u << 23) - reinterpret_cast<vu>(binade)));
  const vi whole = __builtin_convertvector(scaled, vi);
  const vf part = scaled - __builtin_convertvector(whole, vf);
  const vi carry = (__builtin_convertvector(part * 0x1p24f, vi) + reinterpret_cast<vi>(random >> 8)) >> 24;
  const vi half = whole + carry + ((binade - kNormal) >> 13);
  const vi special = magnitude > kInfinity ? splat_int(0x7e00) : splat_int(0x7c00);
  const vu sign = reinterpret_cast<vu>(exact) >> 16 & 0x8000u;
  return reinterpret_cast<vu>(magnitude < kInfinity ? half : special) | sign;
}

template <int N, class Row>
PRERANK_INLINE void load_row(vf (&v)[N], const Row& row, size_t column, size_t last) {
  load_block<N>(v, row.w + column, last);
}

template <int N>
PRERANK_INLINE void store_row(const FloatRow& row, size_t column, size_t last, const vf (&v)[N]) {
  store_block<N>(row.w + column, last, v);
}
template <int N, class T>
PRERANK_INLINE void store_row(const RoundedRow<T>& row, size_t column, size_t last, const vf (&v)[N]) {
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) {
    const size_t first = column + static_cast<size_t>(n) * kLanes;
    store_narrow_part(row.w + first, n + 1 < N ? kLanes : last, rounded(row, v[n], rounding_bits(row, first)));
  }
}

}  // namespace prerank::cpu::PRERANK_ISA
