// Each file of this folder puts its functions into the table.
#pragma once

#include "cpu/simd/table.h"

namespace prerank::cpu::PRERANK_ISA {

void add_elementwise(SimdTable& table);
void add_dropout(SimdTable& table);
void add_hashing(SimdTable& table);
void add_ranking(SimdTable& table);
void add_reductions(SimdTable& table);
void add_softmax(SimdTable& table);
void add_weighted_sum(SimdTable& table);
void add_groups(SimdTable& table);
void add_interaction(SimdTable& table);
void add_linear(SimdTable& table);
void add_products(SimdTable& table);
void add_bfloat16_products(SimdTable& table);
void add_tile_products(SimdTable& table);
void add_embedding(SimdTable& table);
void add_losses(SimdTable& table);
void add_dense_updates(SimdTable& table);
void add_sparse_updates(SimdTable& table);

}  // namespace prerank::cpu::PRERANK_ISA
