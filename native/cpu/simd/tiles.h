// Tile registers (Intel AMX): one instruction multiplies 16 rows by 16 columns of bfloat16, 32 deep, and adds to sums
// in float32. Here are the registers and what multiplies in them; tile_factors.h makes tiles of factors.
//
// A float32 is the sum of three bfloat16, its parts: the product of two is the sum of six products of parts, without
// those that are less than 2^-26 of it: less than rounding a sum to float32 takes away. The instruction takes subnormal
// numbers as 0; float32 operands that are infinite, or so large that 8 bits of them are, give NaN.
#pragma once

#include "cpu/simd/vec.h"

namespace prerank::cpu::PRERANK_ISA {

constexpr size_t kSide = 16;   // rows and columns of a tile of sums
constexpr size_t kDepth = 32;  // of a tile of factors: 16 pairs, of which pair i holds depths i and i + 16
constexpr size_t kTile = kSide * kDepth;
constexpr size_t kBlock = 2 * kSide;  // rows and columns that are summed at a time

using Factor = uint16_t;  // bfloat16

PRERANK_INLINE size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
PRERANK_INLINE constexpr size_t blocks(size_t length, size_t side) { return (length + side - 1) / side; }
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

// The tiles that products begin with: A's, for both halves of the rows; B's, for both halves of the columns.
struct Operands {
  const Factor *a, *a_half, *b, *b_half;
};

// Registers 0 to 3 are a block's sums, of which 0 and 1 belong to the first half of the rows, 4 and 5 hold A's
// operands, 6 and 7 B's. N is 2, or 1 for blocks of one half of the columns.
template <int N>
PRERANK_INLINE void take(const Operands& o) {
  _tile_loadd(4, o.a, 64);
  _tile_loadd(5, o.a_half, 64);
  _tile_loadd(6, o.b, 64);
  if constexpr (N == 2) _tile_loadd(7, o.b_half, 64);
}

// These add the products of the operands at hand to the sums. An operand that is exchanged is loaded as soon as the
// last product that needs the one before is under way, so that the loads pass beside the products.
template <int N>
PRERANK_INLINE void add_products() {
  _tile_dpbf16ps(0, 4, 6);
  if constexpr (N == 2) _tile_dpbf16ps(1, 4, 7);
  _tile_dpbf16ps(2, 5, 6);
  if constexpr (N == 2) _tile_dpbf16ps(3, 5, 7);
}
template <int N>
PRERANK_INLINE void add_products_then_take_a(const Factor* a, const Factor* a_half) {
  _tile_dpbf16ps(0, 4, 6);
  if constexpr (N == 2) _tile_dpbf16ps(1, 4, 7);
  _tile_loadd(4, a, 64);
  _tile_dpbf16ps(2, 5, 6);
  if constexpr (N == 2) _tile_dpbf16ps(3, 5, 7);
  _tile_loadd(5, a_half, 64);
}
template <int N>
PRERANK_INLINE void add_products_then_take_b(const Factor* b, const Factor* b_half) {
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(2, 5, 6);
  _tile_loadd(6, b, 64);
  if constexpr (N == 2) {
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(3, 5, 7);
    _tile_loadd(7, b_half, 64);
  }
}
template <int N>
PRERANK_INLINE void add_products_then_take(const Operands& o) {
  _tile_dpbf16ps(0, 4, 6);
  if constexpr (N == 2) _tile_dpbf16ps(1, 4, 7);
  _tile_loadd(4, o.a, 64);
  _tile_dpbf16ps(2, 5, 6);
  _tile_loadd(6, o.b, 64);
  if constexpr (N == 2) _tile_dpbf16ps(3, 5, 7);
  _tile_loadd(5, o.a_half, 64);
  if constexpr (N == 2) _tile_loadd(7, o.b_half, 64);
}

// Where the tiles of a block's factors lie. A's: step, half of the rows, part. B's: half of the columns (b_next
// apart), step, part.
struct BlockFactors {
  const Factor* a;
  const Factor* b;
  size_t b_next;
  bool fetch;  // B's, which are not in the L2 cache, ahead
};

// Operands rounded to bfloat16.
struct Rounded {
  static constexpr size_t kParts = 1;
  static constexpr int kProducts = 1;  // of parts
  static constexpr size_t kRest = 0;
  static constexpr size_t kLines = kSide;  // that are made at a time

  // 16 pairs.
  PRERANK_INLINE void pairs(vf lower, vf upper, Factor* to) {
    const auto narrow = reinterpret_cast<__m512i>(
        _mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(upper), reinterpret_cast<__m512>(lower)));
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    _mm512_store_si512(to, _mm512_permutexvar_epi16(order, narrow));
  }

  PRERANK_INLINE Operands first(const BlockFactors& f) { return {f.a, f.a + kTile, f.b, f.b + f.b_next}; }
  // Its one product takes less time than factors of other rows would beside it.
  template <int N, class Work>
  PRERANK_INLINE void multiply(const BlockFactors&, Work&) {}
};

// Operands as the sums of three parts.
struct Split3 {
  static constexpr size_t kParts = 3;
  static constexpr int kProducts = 6;
  static constexpr size_t kRest = 5;  // So much depth may be left for the six products of all parts in one tile.
  static constexpr size_t kLines = 2;

  struct Parts {
    vf p[kParts];
  };

  // The nearest number of 8 bits.
  PRERANK_INLINE vf upper_bits(vf v) {
    return reinterpret_cast<vf>((reinterpret_cast<vu>(v) + 0x8000u) & 0xffff0000u);
  }
  PRERANK_INLINE Parts parts(vf v) {
    const vf largest = upper_bits(v);
    v -= largest;
    const vf middle = upper_bits(v);
    return {{largest, middle, v - middle}};
  }

  PRERANK_INLINE void store_pairs(vf lower, vf upper, Factor* to) {
    const auto shifted = reinterpret_cast<__m512i>(reinterpret_cast<vu>(lower) >> 16);
    _mm512_store_si512(to, _mm512_mask_blend_epi16(0xaaaaaaaau, shifted, reinterpret_cast<__m512i>(upper)));
  }

  PRERANK_INLINE void pairs(vf lower, vf upper, Factor* to) {
    const Parts low = parts(lower), high = parts(upper);
#pragma GCC unroll 3
    for (size_t part = 0; part < kParts; ++part) store_pairs(low.p[part], high.p[part], to + part * kTile);
  }

  PRERANK_INLINE vf select(__mmask16 mask, vf yes, vf no) {
    return reinterpret_cast<vf>(
        _mm512_mask_blend_ps(mask, reinterpret_cast<__m512>(no), reinterpret_cast<__m512>(yes)));
  }

  // The rest of a depth in one tile: three pairs for each number, in A and in B.
  //   A: (a0, a0) (a0, a1) (a1, a2)
  //   B: (b0, b1) (b2, b0) (b1, b0)
  // A's, a line for a row, of which v has the numbers.
  PRERANK_INLINE void rest_of_a(vf v, Factor* to) {
    const __m512i number = _mm512_set_epi32(5, 4, 4, 4, 3, 3, 3, 2, 2, 2, 1, 1, 1, 0, 0, 0);
    const Parts a =
        parts(reinterpret_cast<vf>(_mm512_maskz_permutexvar_ps(0xffff, number, reinterpret_cast<__m512>(v))));
    constexpr __mmask16 kSecond = 0x2492, kThird = 0x4924;  // of every three lanes
    store_pairs(select(kThird, a.p[1], a.p[0]), select(kThird, a.p[2], select(kSecond, a.p[1], a.p[0])), to);
  }
  // B's, three lines for a number, of which v has 16 columns.
  PRERANK_INLINE void rest_of_b(vf v, Factor* to) {
    const Parts b = parts(v);
    store_pairs(b.p[0], b.p[1], to);
    store_pairs(b.p[2], b.p[0], to + kDepth);
    store_pairs(b.p[1], b.p[0], to + 2 * kDepth);
  }

  PRERANK_INLINE Operands first(const BlockFactors& f) {
    return {f.a, f.a + kParts * kTile, f.b + 2 * kTile, f.b + 2 * kTile + f.b_next};
  }

  // All products but the last and largest, whose operands it leaves. From one to the next, one operand stays.
  template <int N, class Work>
  PRERANK_INLINE void multiply(const BlockFactors& f, Work& work) {
    const Factor *const a = f.a, *const a_half = a + kParts * kTile;
    const Factor *const b = f.b, *const b_half = b + f.b_next;
    add_products_then_take_b<N>(b + kTile, b_half + kTile);
    work.turn();
    add_products_then_take_a<N>(a + kTile, a_half + kTile);
    work.turn();
    add_products_then_take_b<N>(b, b_half);
    add_products_then_take_a<N>(a + 2 * kTile, a_half + 2 * kTile);
    work.turn();
    add_products_then_take_a<N>(a, a_half);
  }
};

// How tiles cover a depth: full steps, and a rest in one tile.
struct Steps {
  size_t full;
  bool rest;
};

template <class K>
PRERANK_INLINE Steps steps_of(size_t depth) {
  const size_t rest = depth % kDepth;
  const bool small = rest > 0 && rest <= K::kRest;
  return {blocks(depth, kDepth) - small, small};
}

// Of 16 rows or columns.
template <class K>
PRERANK_INLINE size_t factors(const Steps& steps) {
  return (steps.full * K::kParts + steps.rest) * kTile;
}

// What a step, full or the rest, begins with.
template <class K>
PRERANK_INLINE Operands first_operands(const BlockFactors& f, bool full) {
  return full ? K::first(f) : Operands{f.a, f.a + kTile, f.b, f.b + f.b_next};
}

// B's tiles of the second step from here.
template <class K, int N>
PRERANK_INLINE void fetch_ahead(const BlockFactors& f) {
  constexpr size_t kStep = K::kParts * kTile;
  for (size_t i = 2 * kStep; i < 3 * kStep; i += kDepth) {
    __builtin_prefetch(f.b + i);
    if constexpr (N == 2) __builtin_prefetch(f.b + f.b_next + i);
  }
}

// Sums of 32 rows and N times 16 columns, 32 apart.
struct Sums {
  alignas(64) float values[kBlock * kBlock];

  // `work` has turns between products, beside which they pass.
  template <class K, int N, class Work>
  PRERANK_INLINE void multiply(Sums& sums, const Steps& steps, BlockFactors f, Work& work) {
    settle_memory();
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    take<N>(first_operands<K>(f, steps.full > 0));
    for (size_t k = 0; k < steps.full; ++k) {
      if (f.fetch) fetch_ahead<K, N>(f);
      K::template multiply<N>(f, work);
      f.a += 2 * K::kParts * kTile;
      f.b += K::kParts * kTile;
      if (k + 1 < steps.full || steps.rest) {
        add_products_then_take<N>(first_operands<K>(f, k + 1 < steps.full));
      } else {
        add_products<N>();
      }
    }
    if (steps.rest) add_products<N>();
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
