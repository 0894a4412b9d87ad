// Between the reduction and the transform of a step: the tasks' gradients of shared parameters become one.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "plan/operation_times.h"
#include "plan/program_memory.h"
#include "prerank/parameter_store.h"
#include "prerank/plan.h"
#include "prerank/program.h"

namespace prerank {

// Borrows memory, store, pool and profile (null: none); allocates nothing after create().
class ProgramBalance {
 public:
  static Result<std::unique_ptr<ProgramBalance>> create(const Plan& plan, ParameterStore& store, ProgramMemory& memory,
                                                        ThreadPool& pool, uint64_t seed, OperationTimes* profile);

  // Before the tiles: factors on the tasks' weights, empty for 1.
  std::span<const double> scale_tasks();
  // After the accumulators are reduced: combines the gradients in place of their first parts.
  void combine(const Batch& batch, std::span<const TaskStats> stats, uint64_t step);
  // With the parameters: moves the log-variances of the tasks that had rows.
  void update(const Batch& batch, std::span<const TaskStats> stats, const StepOptions& options);

  const BalanceReport& report() const { return report_; }

 private:
  struct Parts {
    std::vector<const float*> sources;  // per logits, null: none
    float* target = nullptr;
    size_t width = 0;
  };
  // A range of a dense gradient, at most kChunk elements.
  struct Chunk {
    size_t parts = 0, begin = 0, end = 0;
  };

  ProgramBalance(const Plan& plan, ProgramMemory& memory, ThreadPool& pool, uint64_t seed, OperationTimes* profile)
      : plan_(plan), balancing_(*plan.balancing), memory_(memory), pool_(pool), seed_(seed), profile_(profile) {}
  void collect();
  Status bind_log_variances(ParameterStore& store);
  void compute_gram();
  void weigh(const Batch& batch, std::span<const TaskStats> stats, uint64_t step);
  void add_up(const Batch& batch);
  double task_loss(const Batch& batch, std::span<const TaskStats> stats, size_t task) const;

  const Plan& plan_;
  const PlanBalancing& balancing_;
  ProgramMemory& memory_;
  ThreadPool& pool_;
  uint64_t seed_;
  OperationTimes* profile_;
  size_t operation_ = 0;
  size_t logits_ = 0;
  std::vector<Parts> dense_;
  std::vector<Chunk> chunks_;
  std::vector<double> chunk_grams_;  // [chunks, logits, logits]
  BalanceReport report_;
  DenseOptimizer optimizer_;  // of the log-variances
  std::span<float> log_variances_, state0_, state1_;
};

}  // namespace prerank
