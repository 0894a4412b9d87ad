// A plan with tables and id inputs, and random batches of ids for it, for tests of table gradients on the device. The
// emulated device's memory is that of the host, so that the batch's arrays are the device's, too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "cuda/kernel.h"
#include "prerank/loader.h"

namespace prerank::test {

struct SparseInput {
  int32_t table = 0;
  bool multi = false;
  Pooling pooling = Pooling::kSum;
  bool weighted = false;
  Domain domain = Domain::kRow;
  bool trained = true;
};

// Value i of the plan is dL/d(pooled) of input i.
inline Plan sparse_plan(const std::vector<PlanTable>& tables, const std::vector<SparseInput>& inputs) {
  Plan plan;
  plan.tables = tables;
  for (const SparseInput& input : inputs) {
    const auto number = static_cast<int32_t>(plan.id_inputs.size());
    plan.id_inputs.push_back(
        {"input" + std::to_string(number), input.domain, input.multi, input.weighted, input.table});
    if (input.trained) plan.sparse_gradients.push_back({number, number, input.pooling});
  }
  return plan;
}

// Bags of 0, 1, 2 or 4 ids, whose means are exact; weights are multiples of a quarter.
struct SparseBatch {
  // Ids below `limits` of their table; every `hot`-th (0: none) is 1.
  SparseBatch(const Plan& plan, size_t batch_rows, size_t batch_requests, uint64_t seed,
              std::span<const uint64_t> limits, size_t hot = 0)
      : rows(batch_rows), requests(batch_requests) {
    std::mt19937_64 random(seed);
    const size_t inputs = plan.id_inputs.size();
    ids.resize(inputs);
    offsets.resize(inputs);
    weights.resize(inputs);
    for (size_t i = 0; i < inputs; ++i) {
      const PlanIdInput& input = plan.id_inputs[i];
      const uint64_t limit = limits[static_cast<size_t>(input.table)];
      const size_t bags = input.domain == Domain::kRequest ? requests : rows;
      if (input.multi) offsets[i].push_back(0);
      for (size_t bag = 0; bag < bags; ++bag) {
        const size_t draw = random() % 4, length = !input.multi ? 1 : draw == 3 ? 4 : draw;
        for (size_t k = 0; k < length; ++k) {
          const bool is_hot = hot > 0 && ids[i].size() % hot == 0 && limit > 1;
          ids[i].push_back(is_hot ? 1 : static_cast<uint32_t>(random() % limit));
          if (input.weighted) weights[i].push_back(static_cast<float>(random() % 9) / 4 - 1);
        }
        if (input.multi) offsets[i].push_back(static_cast<uint32_t>(ids[i].size()));
      }
      counts.push_back(ids[i].size());
      batch.ids.push_back({ids[i], offsets[i], weights[i]});
      device_ids.push_back(
          {ids[i].data(), input.multi ? offsets[i].data() : nullptr, input.weighted ? weights[i].data() : nullptr});
    }
    batch.rows = rows;
    batch.requests = requests;
    device.ids = device_ids.data();
  }
  SparseBatch(const SparseBatch&) = delete;
  SparseBatch& operator=(const SparseBatch&) = delete;

  size_t rows, requests;
  std::vector<std::vector<uint32_t>> ids, offsets;
  std::vector<std::vector<float>> weights;
  std::vector<size_t> counts;
  std::vector<cuda::DeviceIds> device_ids;
  Batch batch;
  cuda::DeviceBatch device;
};

}  // namespace prerank::test
