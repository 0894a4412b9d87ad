#include "cpu/optimizers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <variant>

#include "cpu/dispatch.h"
#include "cpu/table_functions.h"

namespace prerank::cpu {
namespace {

UpdateConstants constants(double lr, double grad_scale, double l2, double epsilon) {
  UpdateConstants c = {};
  c.lr = static_cast<float>(lr);
  c.grad_scale = static_cast<float>(grad_scale);
  c.l2 = static_cast<float>(l2);
  c.epsilon = static_cast<float>(epsilon);
  c.decay = 1;
  return c;
}

void set_adam(UpdateConstants& c, double lr, double beta1, double beta2, uint64_t step) {
  const double t = static_cast<double>(step) + 1;
  c.beta1 = static_cast<float>(beta1);
  c.beta2 = static_cast<float>(beta2);
  c.rest1 = static_cast<float>(1 - beta1);
  c.rest2 = static_cast<float>(1 - beta2);
  c.m_rate = static_cast<float>(lr / (1 - std::pow(beta1, t)));
  c.v_scale = static_cast<float>(1 / std::sqrt(1 - std::pow(beta2, t)));
}

SparseRows sparse_rows(size_t dim, const BatchTableIndex& index, size_t u_begin, size_t u_end,
                       std::span<const PooledGradient> gradients) {
  return {index.rows.data(),
          index.slots.empty() ? index.rows.data() : index.slots.data(),
          index.starts.data(),
          index.bags.data(),
          index.inputs.empty() ? nullptr : index.inputs.data(),
          index.coefficients.empty() ? nullptr : index.coefficients.data(),
          index.input,
          index.bags.size(),
          u_begin,
          u_end,
          gradients.data(),
          dim,
          0};
}

template <class T>
void update_rows(SparseOptimizerKind kind, const SparseRows& rows, const UpdateConstants& c, T* weights,
                 std::span<float> s0, std::span<float> s1) {
  const TableFunctions<T>& functions = functions_of<T>(simd());
  switch (kind) {
    case SparseOptimizerKind::kSgd:
      functions.sgd(rows, c, weights);
      return;
    case SparseOptimizerKind::kAdagrad:
      functions.adagrad(rows, c, weights, s0.data());
      return;
    case SparseOptimizerKind::kRowwiseAdagrad:
      functions.rowwise_adagrad(rows, c, weights, s0.data());
      return;
    case SparseOptimizerKind::kAdam:
      functions.adam(rows, c, weights, s0.data(), s1.data());
      return;
  }
}

}  // namespace

UpdateConstants dense_constants(const DenseOptimizer& optimizer, uint64_t step, double lr, double grad_scale) {
  const bool decoupled = optimizer.kind == DenseOptimizerKind::kAdamW;
  UpdateConstants c = constants(lr, grad_scale, decoupled ? 0 : optimizer.l2, optimizer.epsilon);
  c.momentum = static_cast<float>(optimizer.momentum);
  if (decoupled || optimizer.kind == DenseOptimizerKind::kAdam) {
    set_adam(c, lr, optimizer.beta1, optimizer.beta2, step);
  }
  if (decoupled) c.decay = static_cast<float>(1 - lr * optimizer.weight_decay);
  return c;
}

UpdateConstants sparse_constants(const SparseOptimizer& optimizer, uint64_t step, double lr, double grad_scale) {
  UpdateConstants c = constants(lr, grad_scale, optimizer.l2, optimizer.epsilon);
  if (optimizer.kind == SparseOptimizerKind::kAdam) set_adam(c, lr, optimizer.beta1, optimizer.beta2, step);
  return c;
}

void update_dense(const DenseOptimizer& optimizer, uint64_t step, double lr, double grad_scale, std::span<float> w,
                  std::span<const float> g, std::span<float> s0, std::span<float> s1) {
  const UpdateConstants c = dense_constants(optimizer, step, lr, grad_scale);
  const SimdTable& table = simd();
  switch (optimizer.kind) {
    case DenseOptimizerKind::kSgd:
      if (optimizer.momentum == 0) {
        table.dense_sgd(w.size(), c, w.data(), g.data());
      } else {
        table.dense_momentum(w.size(), c, w.data(), g.data(), s0.data());
      }
      return;
    case DenseOptimizerKind::kAdagrad:
      table.dense_adagrad(w.size(), c, w.data(), g.data(), s0.data());
      return;
    case DenseOptimizerKind::kAdam:
    case DenseOptimizerKind::kAdamW:
      table.dense_adam(w.size(), c, w.data(), g.data(), s0.data(), s1.data());
      return;
  }
}

void update_sparse_rows(const SparseOptimizer& optimizer, uint64_t step, double lr, double grad_scale,
                        const TableView& table, std::span<float> s0, std::span<float> s1, const BatchTableIndex& index,
                        size_t u_begin, size_t u_end, std::span<const PooledGradient> gradients, uint64_t rounding) {
  const UpdateConstants c = sparse_constants(optimizer, step, lr, grad_scale);
  SparseRows rows = sparse_rows(static_cast<size_t>(table.dim), index, u_begin, u_end, gradients);
  rows.rounding = rounding;
  std::visit([&](auto* weights) { update_rows(optimizer.kind, rows, c, weights, s0, s1); }, table.weights);
}

double sparse_gradient_norm_sq(int64_t dim, const BatchTableIndex& index, size_t u_begin, size_t u_end,
                               std::span<const PooledGradient> gradients) {
  return simd().sparse_norm_sq(sparse_rows(static_cast<size_t>(dim), index, u_begin, u_end, gradients));
}

void sum_accumulators(std::span<float* const> arenas, size_t begin, size_t end, float* out) {
  // Groups of arenas, so that the addresses of one call fit the stack; the sum so far is the next group's first term.
  constexpr size_t kGroup = 32;
  std::array<const float*, kGroup + 1> sources;
  for (size_t done = 0; done < arenas.size();) {
    size_t count = 0;
    if (done > 0) sources[count++] = out + begin;
    const size_t until = std::min(arenas.size(), done + kGroup);
    for (; done < until; ++done) sources[count++] = arenas[done] + begin;
    simd().sum_arrays(end - begin, sources.data(), count, out + begin);
  }
}

double norm_sq(std::span<const float> values) { return simd().norm_sq(values.size(), values.data()); }

}  // namespace prerank::cpu
