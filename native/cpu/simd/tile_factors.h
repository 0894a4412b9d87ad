// Tiles of factors (tiles.h), of rows and of columns of matrices.
#pragma once

#include "cpu/simd/tiles.h"

namespace prerank::cpu::PRERANK_ISA {

// Of every two lines D apart, exchanges the lanes with bit D of the first with those without it of the second.
template <size_t D, size_t... L>
PRERANK_INLINE void exchange(vf (&v)[kSide], Lanes<L...>) {
#pragma GCC unroll 16
  for (size_t i = 0; i < kSide; ++i) {
    if ((i & D) != 0) continue;
    const vf a = v[i], b = v[i + D];
    v[i] = __builtin_shufflevector(a, b, (L & D ? kLanes + L - D : L)...);
    v[i + D] = __builtin_shufflevector(a, b, (L & D ? kLanes + L : L + D)...);
  }
}

PRERANK_INLINE void transpose(vf (&v)[kSide]) {
  exchange<1>(v, AllLanes());
  exchange<2>(v, AllLanes());
  exchange<4>(v, AllLanes());
  exchange<8>(v, AllLanes());
}

// --- of B: a line of a tile pairs two depths of 16 columns -----------------------------------------------------------

// A matrix whose columns are a tile's.
struct TileColumns {
  const float* from;   // at the first column
  size_t row, column;  // distances of its rows and columns, of which one is 1
  size_t columns;      // that are present; the others count 0

  // Its rows [first, first + count), the others 0.
  PRERANK_INLINE void take(const TileColumns& t, size_t first, size_t count, vf (&v)[kSide]) {
    const float* const from = t.from + first * t.row;
    if (t.column == 1) {
      for (size_t i = 0; i < kSide; ++i) v[i] = i < count ? load_tail(from + i * t.row, t.columns) : vf{};
    } else {
      for (size_t i = 0; i < kSide; ++i) v[i] = i < t.columns ? load_tail(from + i * t.column, count) : vf{};
      transpose(v);
    }
  }
};

template <class K>
PRERANK_INLINE void make_rest(const TileColumns& columns, size_t first, size_t count, Factor* to) {
  vf v[kSide];
  TileColumns::take(columns, first, count, v);
  for (size_t i = 0; i < K::kRest; ++i) K::rest_of_b(v[i], to + 3 * i * kDepth);
  for (size_t i = 3 * K::kRest * kDepth; i < kTile; i += 2 * kLanes) _mm512_store_si512(to + i, __m512i{});
}

// All tiles of 16 columns.
template <class K>
void make_column_factors(const TileColumns& columns, size_t depth, Factor* to) {
  const Steps steps = steps_of<K>(depth);
  vf lower[kSide], upper[kSide];
  for (size_t k = 0; k < steps.full * kDepth; k += kDepth, to += K::kParts * kTile) {
    TileColumns::take(columns, k, part(depth, k, kSide), lower);
    TileColumns::take(columns, k + kSide, part(depth, k + kSide, kSide), upper);
    for (size_t i = 0; i < kSide; ++i) K::pairs(lower[i], upper[i], to + i * kDepth);
  }
  if constexpr (K::kRest > 0) {
    const size_t k = steps.full * kDepth;
    if (steps.rest) make_rest<K>(columns, k, depth - k, to);
  }
}

// make_column_factors of all columns of a matrix [depth, width] whose rows are `stride` apart, read row by row.
template <class K>
void make_factors(const float* from, size_t stride, size_t width, size_t depth, Factor* to) {
  const Steps steps = steps_of<K>(depth);
  const size_t next = factors<K>(steps);
  for (size_t k = 0; k < steps.full * kDepth; k += kDepth, to += K::kParts * kTile) {
    for (size_t i = 0; i < kSide; ++i) {
      const size_t row = k + i, other = row + kSide;
      const float* const lower = from + smaller(row, depth - 1) * stride;
      const float* const upper = from + smaller(other, depth - 1) * stride;
      Factor* line = to + i * kDepth;
      for (size_t at = 0; at < width; at += kSide, line += next) {
        const size_t columns = part(width, at, kSide);
        K::pairs(load_tail(lower + at, row < depth ? columns : 0), load_tail(upper + at, other < depth ? columns : 0),
                 line);
      }
    }
  }
  if constexpr (K::kRest > 0) {
    if (!steps.rest) return;
    const size_t k = steps.full * kDepth;
    for (size_t at = 0; at < width; at += kSide, to += next) {
      make_rest<K>({from + at, stride, 1, part(width, at, kSide)}, k, depth - k, to);
    }
  }
}

// --- of A: a line of a tile has the depths of a row ------------------------------------------------------------------
// Both classes make the factors of 32 rows a few lines at a turn, for all steps of a depth.

// Of up to 32 rows of a matrix, `stride` apart.
template <class K>
class RowFactors {
 public:
  RowFactors(const float* from, size_t stride, size_t rows, size_t depth, Factor* to)
      : from_(from), stride_(stride), rows_(rows), depth_(depth), to_(to), steps_(steps_of<K>(depth)) {
    if (rows == 0) row_ = kBlock;
  }

  __attribute__((always_inline)) void turn() {
    if (row_ < kBlock) make();
  }
  void finish() {
    while (row_ < kBlock) make();
  }

 private:
  // kLines rows of a step, row by row so that the processor fetches what comes next.
  __attribute__((always_inline)) void make() {
    const size_t half = row_ / kSide, k = step_ * kDepth;
    Factor* const to = to_ + row_ % kSide * kDepth;
    for (size_t i = 0; i < K::kLines; ++i) {
      const size_t row = row_ + i;
      const float* const from = from_ + smaller(row, rows_ - 1) * stride_ + k;
      const size_t depth = row < rows_ ? depth_ - k : 0;
      if (step_ < steps_.full) {
        K::pairs(load_tail(from, smaller(depth, kSide)), load_tail(from + kSide, part(depth, kSide, kSide)),
                 to + (2 * step_ + half) * K::kParts * kTile + i * kDepth);
      } else if constexpr (K::kRest > 0) {
        K::rest_of_a(load_tail(from, depth), to + (steps_.full * 2 * K::kParts + half) * kTile + i * kDepth);
      }
    }
    if (++step_ < steps_.full + steps_.rest) return;
    step_ = 0;
    row_ += K::kLines;
  }

  const float* from_;
  size_t stride_, rows_, depth_;
  Factor* to_;
  Steps steps_;
  size_t row_ = 0, step_ = 0;
};

// Of up to 32 columns of a matrix, whose `depth` rows are `stride` apart.
template <class K>
class TurnedFactors {
 public:
  TurnedFactors(const float* from, size_t stride, size_t columns, size_t depth, Factor* to)
      : from_(from), stride_(stride), columns_(columns), depth_(depth), to_(to), steps_(steps_of<K>(depth)) {
    tiles_ = columns == 0 ? 0 : 2 * (steps_.full + steps_.rest);
  }

  __attribute__((always_inline)) void turn() {
    if (tile_ < tiles_) make();
  }
  void finish() {
    while (tile_ < tiles_) make();
  }

 private:
  // Transposes one of two halves of a tile's depth, or makes kLines lines of what is transposed.
  __attribute__((always_inline)) void make() {
    const size_t step = tile_ / 2, half = tile_ % 2;
    if (turned_halves_ < 2) {
      const size_t k = step * kDepth + turned_halves_ * kSide;
      const TileColumns square{from_ + half * kSide, stride_, 1, part(columns_, half * kSide, kSide)};
      vf v[kSide];
      TileColumns::take(square, k, part(depth_, k, kSide), v);
      transpose(v);
      for (size_t i = 0; i < kSide; ++i) store(turned_[turned_halves_][i], v[i]);
      ++turned_halves_;
      return;
    }
    for (const size_t end = line_ + K::kLines; line_ < end; ++line_) {
      const vf lower = load(turned_[0][line_]), upper = load(turned_[1][line_]);
      if (step < steps_.full) {
        K::pairs(lower, upper, to_ + tile_ * K::kParts * kTile + line_ * kDepth);
      } else if constexpr (K::kRest > 0) {
        K::rest_of_a(lower, to_ + (steps_.full * 2 * K::kParts + half) * kTile + line_ * kDepth);
      }
    }
    if (line_ < kSide) return;
    line_ = turned_halves_ = 0;
    ++tile_;
  }

  const float* from_;
  size_t stride_, columns_, depth_;
  Factor* to_;
  Steps steps_;
  size_t tile_ = 0, tiles_;
  size_t turned_halves_ = 0, line_ = 0;
  alignas(64) float turned_[2][kSide][kSide];
};

}  // namespace prerank::cpu::PRERANK_ISA
