// Parameter updates of the step's last phase. Called by the program, not through the kernel registry.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cpu/simd/table.h"  // PooledGradient
#include "prerank/batch.h"
#include "prerank/kernel.h"
#include "prerank/parameter_store.h"

namespace prerank::cpu {

// The constants of a step (from 0), rounded once to float; the same on every device.
UpdateConstants dense_constants(const DenseOptimizer& optimizer, uint64_t step, double lr, double grad_scale);
UpdateConstants sparse_constants(const SparseOptimizer& optimizer, uint64_t step, double lr, double grad_scale);

// Updates the weights of one dense parameter, or any range of one: with g' = grad_scale * g + l2 * w,
//   SGD      momentum 0: w -= lr * g';  else s0 = momentum * s0 + g', w -= lr * s0
//   Adagrad  s0 += g'^2, w -= lr * g' / (sqrt(s0) + epsilon)
//   Adam     PyTorch's, bias correction by step + 1: s0 is m, s1 is v
//   AdamW    Adam without l2, after w -= lr * weight_decay * w
// step counts from 0. Spans have equal lengths; unused states are empty.
void update_dense(const DenseOptimizer& optimizer, uint64_t step, double lr, double grad_scale, std::span<float> w,
                  std::span<const float> g, std::span<float> s0, std::span<float> s1);

// Updates distinct rows [u_begin, u_end) of a table's batch index. The gradient of a row is grad_scale times the sum of
// coefficient * pooled gradient over its entries, in their order, plus l2 * w; it is never stored.
//   SGD               w -= lr * g
//   Adagrad           s0[row, d] += g_d^2, w_d -= lr * g_d / (sqrt(s0[row, d]) + epsilon)
//   row-wise Adagrad  s0[row] += mean_d(g_d^2), w -= lr * g / (sqrt(s0[row]) + epsilon)
//   Adam              on touched rows only, bias correction by the global step + 1: s0 is m, s1 is v
// Weights of 16 bits are rounded at random, by bits that follow from `rounding`, row and column.
// s0, s1: the table's whole state ([rows, dim]; row-wise: [rows]), empty where unused. gradients: per Plan::id_inputs.
// Calls on disjoint ranges may run at once.
void update_sparse_rows(const SparseOptimizer& optimizer, uint64_t step, double lr, double grad_scale,
                        const TableView& table, std::span<float> s0, std::span<float> s1, const BatchTableIndex& index,
                        size_t u_begin, size_t u_end, std::span<const PooledGradient> gradients, uint64_t rounding);

// Squared norm of the (unscaled, l2-free) gradient of rows [u_begin, u_end), for clipping over all parameters.
double sparse_gradient_norm_sq(int64_t dim, const BatchTableIndex& index, size_t u_begin, size_t u_end,
                               std::span<const PooledGradient> gradients);

// out[i] = sum over workers, in their order, of arenas[w][i], for i in [begin, end). out may be arenas[0].
void sum_accumulators(std::span<float* const> arenas, size_t begin, size_t end, float* out);

// Sum of squares in double.
double norm_sq(std::span<const float> values);

}  // namespace prerank::cpu
