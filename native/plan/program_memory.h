// The memory of a program and where each value of its plan lies in it.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "prerank/batch.h"
#include "prerank/parameter_store.h"
#include "prerank/plan.h"
#include "prerank/status.h"

namespace prerank {

struct MemoryLimits {
  size_t workers = 1;
  size_t rows = 0;      // capacity of the row domain
  size_t requests = 0;  // capacity of the request domain
};

// Allocated once from a checked plan. Every worker has its own table of addresses, one per value.
class ProgramMemory {
 public:
  static Result<ProgramMemory> create(const Plan& plan, ParameterStore& store, const MemoryLimits& limits);

  // A worker's addresses: of row 0 of whole-batch values, in its own arenas for tiles and accumulators.
  std::span<float*> base(size_t worker) { return bases_[worker]; }

  // Points the inputs of every worker at the batch.
  void bind_inputs(const Plan& plan, const Batch& batch);
  // Address of row `row` of a whole-batch value or input.
  float* row_address(const PlanValue& value, size_t index, size_t row) const {
    return rows_[index] + row * static_cast<size_t>(value.stride);
  }

  // Each worker's accumulator arena. The first also receives the reduced gradient.
  std::span<float* const> accumulators() const { return accumulators_; }
  size_t accumulator_floats() const { return accumulator_floats_; }
  // A gradient value after the reduction, or the value of a none or parameter value.
  const float* address(size_t index) const { return bases_[0][index]; }

  size_t bytes() const;

 private:
  std::vector<AlignedBuffer> buffers_;  // owns everything below but parameters and inputs
  std::vector<float*> rows_;            // per value: row 0 of whole-batch values and inputs
  std::vector<std::vector<float*>> bases_;
  std::vector<float*> accumulators_;
  size_t accumulator_floats_ = 0;
};

}  // namespace prerank
