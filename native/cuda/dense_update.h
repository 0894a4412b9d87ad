// The update of all dense parameters in one launch, with the rules of cpu::update_dense.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <span>

#include "cuda/dense_rules.h"
#include "cuda/device.h"
#include "cuda/kernel.h"
#include "prerank/parameter_store.h"

namespace prerank::cuda {

// A dense parameter on the device: `size` floats each, states null where the optimizer has none (cpu::update_dense).
struct DenseTarget {
  float* weights = nullptr;
  const float* gradient = nullptr;
  float* state0 = nullptr;
  float* state1 = nullptr;
  size_t size = 0;
};

class DenseUpdate {
 public:
  static Result<DenseUpdate> create(const DenseOptimizer& optimizer, std::span<const DenseTarget> targets);

  // Updates with the constants StepNumbers::dense, their gradients scaled by StepResult::dense_scale. Changes nothing
  // when the step is refused or StepNumbers::update is 0.
  Status enqueue(cudaStream_t stream, const DeviceStep& step) const;

 private:
  DenseRule rule_ = DenseRule::kSgd;
  DeviceBuffer targets_, chunks_;
  size_t chunk_count_ = 0;
};

}  // namespace prerank::cuda
