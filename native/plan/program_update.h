// The last two phases of a step: transform (non-finite check, clipping by global norm) and update.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "cpu/optimizers.h"
#include "plan/operation_times.h"
#include "plan/program_memory.h"
#include "prerank/parameter_store.h"
#include "prerank/plan.h"
#include "prerank/program.h"

namespace prerank {

// What the transform made of a step's gradients.
struct Transform {
  double norm = 0;   // global norm over the clipping scope, before clipping; of the dense part without clipping
  double scale = 1;  // factor of every gradient
};

// Borrows memory, store, pool and profile (null: none); allocates nothing after create().
class ProgramUpdate {
 public:
  static Result<std::unique_ptr<ProgramUpdate>> create(const Plan& plan, ParameterStore& store,
                                                       const ProgramMemory& memory, ThreadPool& pool,
                                                       const ProgramOptions& options, OperationTimes* profile);

  // kNonFinite when the norm is not finite: the message names the parameter.
  Result<Transform> transform(const Batch& batch);
  // `step` from 0. Dense gradients are read from the reduced accumulators, sparse ones from the pooled gradients.
  void update(const Batch& batch, const StepOptions& options, double scale);

 private:
  struct DenseTarget {
    size_t parameter = 0;  // in Plan::parameters
    std::span<float> weights, state0, state1;
    std::span<const float> gradient;
  };
  // A range of a dense target, at most kChunk elements.
  struct Chunk {
    size_t target = 0, begin = 0, end = 0;
  };
  struct SparseTarget {
    size_t table = 0;  // in Plan::tables
    TableView view;
    std::span<float> state0, state1;
    uint64_t rounding_stream = 0;
    size_t operation = 0;  // in the profile
  };
  struct RowRange {
    size_t begin = 0, end = 0;
  };

  ProgramUpdate(const Plan& plan, ParameterStore& store, ThreadPool& pool, const ProgramOptions& options,
                OperationTimes* profile)
      : plan_(plan), store_(store), pool_(pool), options_(options), profile_(profile) {}
  Status collect(const ProgramMemory& memory);
  void name_operations();
  double dense_norm_sq();
  double sparse_norm_sq(const Batch& batch);
  RowRange rows_of(const BatchTableIndex& index, size_t worker) const;
  Status not_finite() const;

  const Plan& plan_;
  ParameterStore& store_;
  ThreadPool& pool_;
  ProgramOptions options_;
  OperationTimes* profile_;
  size_t norm_operation_ = 0, dense_operation_ = 0;
  std::vector<DenseTarget> dense_;
  std::vector<Chunk> chunks_;
  std::vector<double> chunk_norms_;  // squared, per chunk
  std::vector<SparseTarget> sparse_;
  std::vector<double> worker_norms_;         // squared, per worker
  std::vector<cpu::PooledGradient> pooled_;  // per id input
};

}  // namespace prerank
