// Matrix products of operands rounded to bfloat16, with sums in float32. The one file that is compiled for AVX512-BF16
// too (see dispatch.cc): its instruction rounds and flushes in its own way, so that results differ in the last bits.
#include "cpu/simd/functions.h"
#include "cpu/simd/products.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

constexpr uint32_t kUpper = 0xffff0000u;

// A lane of `a` and `b` holds two bfloat16: both products are added, that of the upper halves first.
PRERANK_INLINE vf dot_pairs(vf sum, vu a, vu b) {
#if defined(__AVX512BF16__)
  return reinterpret_cast<vf>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sum), reinterpret_cast<__m512bh>(a),
                                               reinterpret_cast<__m512bh>(b)));
#else
  sum += reinterpret_cast<vf>(a & kUpper) * reinterpret_cast<vf>(b & kUpper);
  return sum + reinterpret_cast<vf>(a << 16) * reinterpret_cast<vf>(b << 16);
#endif
}

// To the nearest bfloat16, ties to even, in the upper halves; the lower ones are to be dropped. As to_bfloat16.
PRERANK_INLINE vu nearest_upper(vf v) {
  const vu bits = reinterpret_cast<vu>(v);
  return v != v ? bits | 0x400000u : bits + 0x7fffu + (bits >> 16 & 1u);
}

PRERANK_INLINE uint32_t nearest_upper(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return value != value ? bits | 0x400000u : bits + 0x7fffu + (bits >> 16 & 1u);
}

PRERANK_INLINE vu pairs(vf lower, vf upper) { return nearest_upper(lower) >> 16 | (nearest_upper(upper) & kUpper); }

// Neighbours in `a` and, behind it, `b` become pairs.
template <size_t... L>
PRERANK_INLINE vu neighbours(vf a, vf b, Lanes<L...>) {
  return pairs(__builtin_shufflevector(a, b, (2 * L)...), __builtin_shufflevector(a, b, (2 * L + 1)...));
}

struct Bfloat16Pairs {
  using Item = uint32_t;
  using Vector = vu;
  static constexpr size_t kDepths = 2;

  PRERANK_INLINE vu splat_item(uint32_t item) { return item + vu{}; }
  PRERANK_INLINE vf multiply_add(vf sum, vu a, vu b) { return dot_pairs(sum, a, b); }

  PRERANK_INLINE uint32_t item(const float* from, size_t stride, size_t k, size_t depth) {
    const uint32_t upper = 2 * k + 1 < depth ? nearest_upper(from[(2 * k + 1) * stride]) & kUpper : 0;
    return nearest_upper(from[2 * k * stride]) >> 16 | upper;
  }

  PRERANK_INLINE vu rows(const float* x, size_t stride, size_t present, size_t columns) {
    return pairs(load_part(x, columns), present > 1 ? load_part(x + stride, columns) : vf{});
  }

  // Rounds the part's rows into the scratch.
  PRERANK_INLINE void take_rows(ProductPart<Bfloat16Pairs>& part) {
    const PackedProduct& p = part.p;
    uint32_t* const scratch = static_cast<uint32_t*>(p.scratch);
    part.a = scratch;
    part.as = kRoundedStride;
    const size_t left = p.depth - kDepths * part.first, floats = smaller(kDepths * part.items, left);
    for (size_t r = 0; r < part.rows; ++r) {
      const float* const x = p.a + (part.row + r) * p.as + kDepths * part.first;
      uint32_t* to = scratch + r * kRoundedStride;
      for (size_t k = 0; k < floats; k += 2 * kLanes, to += kLanes) {
        const vf a = load_part(x + k, smaller(kLanes, floats - k));
        const vf b = floats - k > kLanes ? load_part(x + k + kLanes, smaller(kLanes, floats - k - kLanes)) : vf{};
        const vu items = neighbours(a, b, AllLanes());
        __builtin_memcpy(to, &items, sizeof items);
      }
    }
  }

  // Items of a row in the scratch: whole vectors, and no power of two.
  static constexpr size_t kRoundedStride = kWholeDepth / kDepths + 16;
};

size_t rounded_items(size_t rows) { return rows * Bfloat16Pairs::kRoundedStride; }

}  // namespace

void add_bfloat16_products(SimdTable& table) {
  table.bfloat16_products = product_functions<Bfloat16Pairs>(rounded_items);
}

}  // namespace prerank::cpu::PRERANK_ISA
