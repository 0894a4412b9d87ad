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
  // The part's rows are read where they lie.
  PRERANK_INLINE void take_rows(ProductPart<Float32>& part) {
    part.a = part.p.a + part.row * part.p.as + part.first;
    part.as = part.p.as;
  }
};

size_t no_items(size_t) { return 0; }

}  // namespace

void add_products(SimdTable& table) { table.float32_products = product_functions<Float32>(no_items); }

}  // namespace prerank::cpu::PRERANK_ISA
