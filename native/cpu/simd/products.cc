// Matrix products of float32.
#include "cpu/simd/products.h"

#include "cpu/simd/functions.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

struct Float32 {
  using Item = float;
  using Vector = vf;
  static constexpr size_t kDepths = 1;

  PRERANK_INLINE vf splat_item(float item) { return splat(item); }
  PRERANK_INLINE vf multiply_add(vf sum, vf a, vf b) { return sum + a * b; }
  PRERANK_INLINE float item(const float* from, size_t stride, size_t k, size_t) { return from[k * stride]; }
  PRERANK_INLINE vf rows(const float* x, size_t, size_t, size_t columns) { return load_part(x, columns); }
  PRERANK_INLINE void take_rows(ProductPart<Float32>& part) {
    part.a = part.p.a + part.row * part.p.as + part.first;
    part.as = part.p.as;
  }
};

}  // namespace

void add_products(SimdTable& table) {
  table.packed_floats = packed_items<Float32>;
  table.pack = pack<Float32>;
  table.packed_product = packed_product<Float32>;
  table.transposed_product_scratch = transposed_product_items<Float32>;
  table.transposed_product = transposed_product<Float32>;
}

}  // namespace prerank::cpu::PRERANK_ISA
