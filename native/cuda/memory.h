// The memory of a program on a device and where each value of its plan lies in it: as ProgramMemory, with one tile that
// holds every row. What a batch brings is static for a slot of the batch ring, so that graphs can be captured.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "cuda/device.h"
#include "cuda/device_store.h"
#include "plan/batch_check.h"
#include "prerank/plan.h"

namespace prerank::cuda {

class DeviceMemory {
 public:
  // kOutOfMemory with a table of what needs how much, before anything is allocated, when the device has less.
  static Result<DeviceMemory> create(const Plan& plan, const ParameterStore& store, const DeviceStore& tensors,
                                     const BatchLimits& limits);

  // Address of row 0 of a value; null for inputs.
  float* address(size_t value) const { return base_[value]; }
  std::span<float* const> base() const { return base_; }
  // Every gradient accumulator, one after the other.
  float* accumulators() const { return accumulators_.as<float>(); }
  size_t accumulator_floats() const { return accumulator_floats_; }
  size_t bytes() const;

 private:
  DeviceBuffer tiles_, none_, accumulators_;
  std::vector<DeviceBuffer> full_;
  std::vector<float*> base_;
  size_t accumulator_floats_ = 0;
};

}  // namespace prerank::cuda
