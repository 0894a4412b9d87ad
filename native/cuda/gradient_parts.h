// Gradients of what several logits depend on, a part by each of the logits: their dot products and their combination.
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/device.h"
#include "cuda/memory.h"
#include "cuda/padded_size.h"
#include "plan/task_weights.h"
#include "prerank/plan.h"

namespace prerank::cuda {

// dL/d(pooled) by logits, on the device: null where it does not depend on them.
struct PooledParts {
  std::array<float*, kMaxWeighed> source = {};
  std::array<uint32_t, kMaxWeighed> stride = {};
};

class GradientParts {
 public:
  // Of PlanBalancing, for so many logits.
  static Result<GradientParts> create(const Plan& plan, const DeviceMemory& memory, size_t logits);

  bool empty() const { return chunk_count_ == 0 && pooled_.empty(); }
  // gram[i, j] of the parts by logits i and j, of all dense gradients together: [logits, logits], on the device.
  Status enqueue_gram(cudaStream_t stream, double* gram) const;
  // The first part of each becomes the sum of coefficient * part. coefficients: [logits], on the device.
  Status enqueue_combination(cudaStream_t stream, const double* coefficients, const BatchSize& size) const;

 private:
  struct Pooled {
    PooledParts parts;
    size_t width = 0;
    Domain domain = Domain::kRow;
  };

  size_t logits_ = 0, chunk_count_ = 0;
  DeviceBuffer sources_;  // [dense gradients, logits]: addresses, null where there is no part
  DeviceBuffer chunks_, chunk_grams_;
  std::vector<Pooled> pooled_;
};

}  // namespace prerank::cuda
