// Tables with their optimizer's state, updated by the CPU or on the emulated device.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/table_rounding.h"
#include "cpu/optimizers.h"
#include "cuda/sparse_fixture.h"
#include "cuda/sparse_update.h"
#include "held_weights.h"
#include "kernel_harness.h"

namespace prerank::test {

// Weights and state of a table, and where they are.
struct SparseTableData {
  HeldWeights weights;
  std::vector<float> state0, state1;

  bool operator==(const SparseTableData&) const = default;
};

// A multiple of 1 / parts in [-1, 1].
inline std::vector<float> random_parts(size_t count, uint64_t seed, int parts) {
  std::mt19937_64 random(seed);
  std::vector<float> values(count);
  for (float& value : values) {
    value = static_cast<float>(static_cast<int>(random() % (2 * parts + 1)) - parts) / static_cast<float>(parts);
  }
  return values;
}

struct SparseModel {
  SparseModel(Plan of, SparseOptimizerKind kind, TableType type, std::span<const uint64_t> limits)
      : plan(std::move(of)) {
    optimizer.kind = kind;
    for (size_t t = 0; t < plan.tables.size(); ++t) {
      const size_t rows = limits[t], dim = static_cast<size_t>(plan.tables[t].dim);
      SparseTableData data;
      data.weights = HeldWeights(type, random_floats(rows * dim, 50 + t));
      const size_t state = kind == SparseOptimizerKind::kSgd              ? 0
                           : kind == SparseOptimizerKind::kRowwiseAdagrad ? rows
                                                                          : rows * dim;
      data.state0.assign(state, 0.125f);
      if (kind == SparseOptimizerKind::kAdam) data.state1.assign(state, 0.25f);
      tables.push_back(std::move(data));
    }
  }

  // dL/d(pooled) of every input: strided, `shift` floats behind an aligned address.
  void set_gradients(size_t bags, uint64_t seed, int parts, size_t shift = 0) {
    pooled.clear();
    memory.clear();
    for (size_t i = 0; i < plan.id_inputs.size(); ++i) {
      const size_t dim = static_cast<size_t>(plan.tables[static_cast<size_t>(plan.id_inputs[i].table)].dim);
      const size_t stride = (dim + 3) / 4 * 4 + 4;
      memory.push_back(parts > 0 ? random_parts(bags * stride + 8, seed + i, parts)
                                 : random_floats(bags * stride + 8, seed + i, -1, 1));
      pooled.push_back({memory.back().data() + shift, stride});
    }
    for (size_t i = 0; i < pooled.size(); ++i) {
      bool trained = false;
      for (const PlanSparseGradient& gradient : plan.sparse_gradients) {
        trained = trained || static_cast<size_t>(gradient.id_input) == i;
      }
      if (!trained) pooled[i] = {};
    }
  }

  std::vector<cuda::DeviceTable> device_tables() {
    std::vector<cuda::DeviceTable> result;
    for (size_t t = 0; t < tables.size(); ++t) {
      SparseTableData& data = tables[t];
      result.push_back({data.weights.view(), data.state0.empty() ? nullptr : data.state0.data(),
                        data.state1.empty() ? nullptr : data.state1.data(), plan.tables[t].rows, plan.tables[t].dim});
    }
    return result;
  }

  Result<cuda::SparseUpdate> device(size_t rows, size_t requests) {
    return cuda::SparseUpdate::create(plan, device_tables(), optimizer, pooled, rows, requests);
  }

  void update_on_cpu(SparseBatch& ids, uint64_t step) {
    const auto indexer = TableIndexer::create(plan, 1);
    ASSERT_TRUE(indexer.ok() && indexer.value()->index(ids.batch).ok());
    for (size_t t = 0; t < tables.size(); ++t) {
      const BatchTableIndex& index = ids.batch.table_index[t];
      cpu::update_sparse_rows(optimizer, step, kLr, kScale, view(t), tables[t].state0, tables[t].state1, index, 0,
                              index.rows.size(), pooled,
                              table_rounding(kSeed, step, rounding_stream(plan.tables[t].name)));
    }
  }

  double norm_on_cpu(SparseBatch& ids) {
    const auto indexer = TableIndexer::create(plan, 1);
    EXPECT_TRUE(indexer.ok() && indexer.value()->index(ids.batch).ok());
    double sum = 0;
    for (size_t t = 0; t < tables.size(); ++t) {
      const BatchTableIndex& index = ids.batch.table_index[t];
      sum += cpu::sparse_gradient_norm_sq(plan.tables[t].dim, index, 0, index.rows.size(), pooled);
    }
    return sum;
  }

  TableView view(size_t t) {
    return {tables[t].weights.view(), plan.tables[t].rows, plan.tables[t].dim};
  }

  cuda::StepNumbers numbers(uint64_t step) const {
    return {.seed = kSeed,
            .step = step,
            .training = 1,
            .update = 1,
            .sparse = cpu::sparse_constants(optimizer, step, kLr, 1)};
  }

  static constexpr double kLr = 0.05, kScale = 0.5;
  static constexpr uint64_t kSeed = 77;
  Plan plan;
  SparseOptimizer optimizer;
  std::vector<SparseTableData> tables;
  std::vector<std::vector<float>> memory;
  std::vector<cpu::PooledGradient> pooled;
};

inline void run_update(cuda::SparseUpdate& update, SparseBatch& ids, const cuda::StepNumbers& numbers,
                cuda::StepResult result = {.sparse_scale = static_cast<float>(SparseModel::kScale)}) {
  auto stream = cuda::make_stream();
  ASSERT_TRUE(stream.ok());
  const Status indexed = update.index(stream.value().get(), ids.device, ids.counts, ids.rows, ids.requests);
  ASSERT_TRUE(indexed.ok()) << indexed.message();
  const Status enqueued = update.enqueue_update(stream.value().get(), {.numbers = &numbers, .result = &result});
  ASSERT_TRUE(enqueued.ok()) << enqueued.message();
  ASSERT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
}

inline double run_norm(cuda::SparseUpdate& update, SparseBatch& ids) {
  auto stream = cuda::make_stream();
  double norm = -1;
  EXPECT_TRUE(update.index(stream.value().get(), ids.device, ids.counts, ids.rows, ids.requests).ok());
  auto out = cuda::DeviceBuffer::allocate(sizeof(double), "a norm");
  EXPECT_TRUE(update.enqueue_norm(stream.value().get(), out.value().as<double>()).ok());
  EXPECT_EQ(cudaMemcpyAsync(&norm, out.value().as<double>(), sizeof norm, cudaMemcpyDeviceToHost, stream.value().get()),
            cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
  return norm;
}

// Tables of `dims`: the first shared by a single, a weighted mean and an untrained list, the second by two inputs of
// both domains, the third read by a list.
inline Plan shared_plan(std::array<int64_t, 3> dims) {
  return sparse_plan({{"a", 70, dims[0]}, {"b", 30, dims[1]}, {"c", 400, dims[2]}},
                     {{.table = 0},
                      {.table = 0, .multi = true, .pooling = Pooling::kMean, .weighted = true},
                      {.table = 0, .multi = true, .trained = false},
                      {.table = 1, .domain = Domain::kRequest},
                      {.table = 1},
                      {.table = 2, .multi = true}});
}
inline constexpr uint64_t kSharedLimits[] = {70, 30, 400};

}  // namespace prerank::test
