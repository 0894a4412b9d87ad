// The transform phase of a step: are losses and gradients finite, and by which factor does clipping scale the
// gradients.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "cuda/dense_update.h"
#include "cuda/device.h"
#include "cuda/kernel.h"
#include "prerank/program.h"

namespace prerank::cuda {

// Bits of StepResult::refused.
inline constexpr uint32_t kRefusedLoss = 1;  // a task's loss is not finite
inline constexpr uint32_t kRefusedNorm = 2;  // the norm of the gradients is not finite

class GradientTransform {
 public:
  // Gradients of all dense parameters, the number of tasks, and clipping as ProgramOptions has it (clip_norm 0: off).
  static Result<GradientTransform> create(std::span<const DenseTarget> targets, size_t tasks, double clip_norm,
                                          ClipScope scope);

  // From step.stats and the gradients into *step.result: the norm before clipping, the factors, and the bits of
  // `refused`, to which steps only add: the host clears them. table_norm_sq, on the device: squared norm of all table
  // gradients, which counts when clipping covers them; null without tables.
  Status enqueue(cudaStream_t stream, const DeviceStep& step, const double* table_norm_sq) const;

 private:
  DeviceBuffer targets_, chunks_, partials_;
  size_t chunk_count_ = 0, tasks_ = 0;
  double clip_norm_ = 0;
  ClipScope scope_ = ClipScope::kDense;
};

}  // namespace prerank::cuda
