// Products with a weight that is copied into the order in which the inner loops read it.
#pragma once

#include "base/aligned_buffer.h"
#include "cpu/operands.h"

namespace prerank::cpu {

// C [rows, width] = A [rows, depth] B, where B's neighbours are `row` and `column` floats apart in a weight.
struct WeightProduct {
  View a, weight, c;
  size_t row = 0, column = 0;
};

inline const ProductFunctions& products_of(const KernelBuild& build) {
  return build.bfloat16_products ? simd().bfloat16_products : simd().float32_products;
}

class PackedWeight {
 public:
  static Result<PackedWeight> create(const KernelBuild& build, const WeightProduct& product) {
    PackedWeight packed;
    const size_t depth = product.a.width, width = product.c.width;
    const auto tile_rows = static_cast<size_t>(build.plan->tile_rows);
    packed.product_ = product;
    packed.workers_ = build.workers;
    const ProductFunctions& functions = products_of(build);
    packed.functions_ = &functions;
    PRERANK_ASSIGN_OR_RETURN(packed.packed_, AlignedBuffer::floats(functions.packed_items(depth, width)));
    packed.scratch_ = functions.packed_product_scratch(tile_rows);
    return packed;
  }

  // This worker's part of the copy.
  void pack(const TileContext& context) const {
    functions_->pack({product_.a.width, product_.c.width, product_.weight.at(context), product_.row, product_.column,
                      context.worker, workers_, packed_.data()});
  }

  // What becomes of the sums: they start at a bias, and are 0 where they or the gate are not above 0.
  struct Finish {
    const float* bias = nullptr;
    bool relu = false;
    const float* gate = nullptr;
    size_t gate_stride = 0;
  };

  void multiply(const TileContext& context, const Finish& finish) const {
    const auto& [a, weight, c, row, column] = product_;
    functions_->packed_product({context.rows, a.width, c.width, a.at(context), a.stride, packed_.data(), finish.bias,
                                finish.relu, finish.gate, finish.gate_stride, c.at(context), c.stride,
                                context.scratch});
  }
  // Floats of TileContext::scratch that multiply() needs.
  size_t scratch() const { return scratch_; }

 private:
  WeightProduct product_;
  size_t workers_ = 1;
  const ProductFunctions* functions_ = nullptr;
  AlignedBuffer packed_;
  size_t scratch_ = 0;
};

}  // namespace prerank::cpu
