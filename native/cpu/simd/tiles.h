// Tile registers (Intel AMX): one instruction multiplies 16 rows by 16 columns of bfloat16, 32 deep, and adds to sums
// in float32. Here are tiles of factors, made of rounded operands or of float32 ones, and blocks of sums.
//
// A float32 is the sum of three bfloat16, its parts: the product of two is the sum of six products of parts, without
// those that are less than 2^-26 of it: less than rounding a sum to float32 takes away. The instruction takes subnormal
// numbers as 0; operands of float32 products that are not below 2^111 give NaN.
#pragma once

#include "cpu/simd/vec.h"

namespace prerank::cpu::PRERANK_ISA {

constexpr size_t kSide = 16;   // rows and columns of a tile of sums
constexpr size_t kDepth = 32;  // of a tile of factors: 16 pairs, of which pair i holds depths i and i + 16
constexpr size_t kTile = kSide * kDepth;
constexpr size_t kBlock = 2 * kSide;  // rows and columns that are summed at a time

using Factor = uint16_t;  // bfloat16

PRERANK_INLINE size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
PRERANK_INLINE size_t blocks(size_t length, size_t side) { return (length + side - 1) / side; }
// What of [first, first + side) lies below `length`.
PRERANK_INLINE size_t part(size_t length, size_t first, size_t side) {
  return first < length ? smaller(length - first, side) : 0;
}

// Instructions on tiles are invisible to the compiler's analysis of memory: what they read must be written, what they
// wrote not yet read.
PRERANK_INLINE void settle_memory() { __asm__ volatile("" ::: "memory"); }

// While it lives, this thread's eight tiles have 16 rows of 64 bytes.
class Tiles {
 public:
  Tiles() {
    alignas(64) uint8_t shapes[64] = {1};
    for (size_t tile = 0; tile < 8; ++tile) shapes[16 + 2 * tile] = 64, shapes[48 + tile] = kSide;
    settle_memory();
    _tile_loadconfig(shapes);
  }
  ~Tiles() { _tile_release(); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

// Operands rounded to bfloat16.
struct Rounded {
  static constexpr size_t kParts = 1;
  static constexpr int kProducts = 1;  // of parts

  // 16 pairs.
  PRERANK_INLINE void pairs(vf lower, vf upper, Factor* to) {
    const auto narrow = reinterpret_cast<__m512i>(
        _mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(upper), reinterpret_cast<__m512>(lower)));
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    _mm512_store_si512(to, _mm512_permutexvar_epi16(order, narrow));
  }

  template <int N>
  PRERANK_INLINE void multiply(const Factor* a, const Factor* b, size_t b_next) {
    _tile_loadd(4, a, 64);
    _tile_loadd(6, b, 64);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (N == 2) {
      _tile_loadd(7, b + b_next, 64);
      _tile_dpbf16ps(1, 4, 7);
    }
    _tile_loadd(5, a + kTile, 64);
    _tile_dpbf16ps(2, 5, 6);
    if constexpr (N == 2) _tile_dpbf16ps(3, 5, 7);
  }
};

// Operands as the sums of three parts.
struct Split3 {
  static constexpr size_t kParts = 3;
  static constexpr int kProducts = 6;

  // The nearest number of 8 bits (Dekker's splitting, which a fused multiply-add would undo).
  PRERANK_INLINE vf upper_bits(vf v) {
    vf scaled = v * splat(65537.0f);
    __asm__("" : "+v"(scaled));
    return scaled - (scaled - v);
  }

  PRERANK_INLINE void store_pairs(vf lower, vf upper, Factor* to) {
    const auto shifted = reinterpret_cast<__m512i>(reinterpret_cast<vu>(lower) >> 16);
    _mm512_store_si512(to, _mm512_mask_blend_epi16(0xaaaaaaaau, shifted, reinterpret_cast<__m512i>(upper)));
  }

  PRERANK_INLINE void pairs(vf lower, vf upper, Factor* to) {
#pragma GCC unroll 2
    for (size_t p = 0; p < 2; ++p) {
      const vf low = upper_bits(lower), high = upper_bits(upper);
      store_pairs(low, high, to + p * kTile);
      lower -= low;
      upper -= high;
    }
    store_pairs(lower, upper, to + 2 * kTile);
  }

  PRERANK_INLINE void take_a(const Factor* a) {
    _tile_loadd(4, a, 64);
    _tile_loadd(5, a + kParts * kTile, 64);
  }
  template <int N>
  PRERANK_INLINE void take_b(const Factor* b, size_t b_next) {
    _tile_loadd(6, b, 64);
    if constexpr (N == 2) _tile_loadd(7, b + b_next, 64);
  }
  template <int N>
  PRERANK_INLINE void add() {
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (N == 2) _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    if constexpr (N == 2) _tile_dpbf16ps(3, 5, 7);
  }

  // The largest last; from one product to the next, one operand stays.
  template <int N>
  PRERANK_INLINE void multiply(const Factor* a, const Factor* b, size_t b_next) {
    take_a(a);
    take_b<N>(b + 2 * kTile, b_next);
    add<N>();
    take_b<N>(b + kTile, b_next);
    add<N>();
    take_a(a + kTile);
    add<N>();
    take_b<N>(b, b_next);
    add<N>();
    take_a(a + 2 * kTile);
    add<N>();
    take_a(a);
    add<N>();
  }
};

// --- tiles of factors ------------------------------------------------------------------------------------------------

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

// [lines, columns] floats, at most 16 by 16; those that are absent count 0.
struct Square {
  const float* from;
  size_t stride, lines, columns;

  PRERANK_INLINE vf line(const Square& s, size_t i) {
    return i < s.lines && s.columns > 0 ? load_part(s.from + i * s.stride, s.columns) : vf{};
  }
};

// K::kParts tiles whose line i pairs the lines i of both squares.
template <class K>
void pair_lines(const Square& lower, const Square& upper, Factor* to) {
  for (size_t i = 0; i < kSide; ++i) K::pairs(Square::line(lower, i), Square::line(upper, i), to + i * kDepth);
}

// As pair_lines, with columns instead of lines.
template <class K>
void pair_columns(const Square& lower, const Square& upper, Factor* to) {
  vf a[kSide], b[kSide];
  for (size_t i = 0; i < kSide; ++i) a[i] = Square::line(lower, i);
  transpose(a);
  for (size_t i = 0; i < kSide; ++i) b[i] = Square::line(upper, i);
  transpose(b);
  for (size_t i = 0; i < kSide; ++i) K::pairs(a[i], b[i], to + i * kDepth);
}

// --- blocks of sums --------------------------------------------------------------------------------------------------

// Sums of 32 rows and N times 16 columns, 32 apart.
struct Sums {
  alignas(64) float values[kBlock * kBlock];

  // Over `steps` of depth. A's tiles: step, half of the rows, part. B's: half of the columns (b_next apart), step,
  // part.
  template <class K, int N>
  PRERANK_INLINE void multiply(Sums& sums, size_t steps, const Factor* a, const Factor* b, size_t b_next) {
    settle_memory();
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t k = 0; k < steps; ++k, a += 2 * K::kParts * kTile, b += K::kParts * kTile) {
      K::template multiply<N>(a, b, b_next);
    }
    constexpr size_t kNext = kBlock * sizeof(float);
    _tile_stored(0, sums.values, kNext);
    _tile_stored(2, sums.values + kSide * kBlock, kNext);
    if constexpr (N == 2) {
      _tile_stored(1, sums.values + kSide, kNext);
      _tile_stored(3, sums.values + kSide * kBlock + kSide, kNext);
    }
    settle_memory();
  }
};

// f.template columns<N>(column, last) for pairs of tiles, the last vector with `last` columns, that cover [0, width).
template <class Columns>
PRERANK_INLINE void for_column_blocks(size_t width, const Columns& f) {
  for (size_t column = 0; column < width; column += kBlock) {
    const size_t left = width - column;
    if (left > kSide) {
      f.template columns<2>(column, part(width, column + kSide, kSide));
    } else {
      f.template columns<1>(column, left);
    }
  }
}

}  // namespace prerank::cpu::PRERANK_ISA
