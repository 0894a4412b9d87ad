#include "cpu/simd/table.h"

#include "cpu/simd/functions.h"

namespace prerank::cpu::PRERANK_ISA {

SimdTable make_table() {
  SimdTable table = {};
  add_elementwise(table);
  add_dropout(table);
  add_hashing(table);
  add_ranking(table);
  add_reductions(table);
  add_softmax(table);
  add_weighted_sum(table);
  add_groups(table);
  add_interaction(table);
  add_linear(table);
  add_products(table);
  add_bfloat16_products(table);
  add_embedding(table);
  add_losses(table);
  add_dense_updates(table);
  add_sparse_updates(table);
  return table;
}

}  // namespace prerank::cpu::PRERANK_ISA
