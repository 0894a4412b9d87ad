// A plan on the device of its store: allocates once, then steps and predicts without allocating.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "prerank/batch.h"
#include "prerank/kernel.h"
#include "prerank/parameter_store.h"
#include "prerank/plan.h"
#include "prerank/status.h"

namespace prerank {

enum class ClipScope : uint8_t { kDense, kAll };

struct ProgramOptions {
  size_t threads = 1;
  size_t capacity = 4096;          // rows of the largest batch
  size_t request_capacity = 0;     // requests of the largest batch; 0 = capacity when the plan has the request domain
  double clip_norm = 0;            // 0 = off; global norm of the gradients in scope
  ClipScope clip_scope = ClipScope::kDense;
  uint64_t seed = 1;
  bool profile = false;  // keep operation_times(): two clock reads more for each operation and tile
};

struct StepOptions {
  uint64_t step = 0;  // number of this step, from 0: keys random bits and Adam's bias correction (step + 1)
  double dense_lr = 0;
  double sparse_lr = 0;
  bool update = true;  // false: forward and backward only (gradients readable through outputs)
};

// Seconds spent by phase since the program was built.
struct PhaseTimes {
  double prologue = 0, tiles = 0, reduce = 0, transform = 0, update = 0;
};

// Time of one operation since the program was built, summed over workers.
struct OperationTime {
  std::string kind;    // of the plan's operation; "tables.touch", "accumulators.clear", "rows.cache", "accumulators.reduce",
                       // "gradient.norm", "update.dense" and "update.sparse" (one per table) are the program's own
  std::string layer;   // update.sparse: the table
  bool backward = false;
  double seconds = 0;
  uint64_t calls = 0;  // tiles, or regions of a worker
};

// How the last step weighed the tasks.
struct BalanceReport {
  // Dot products of the weighted gradients of the shared dense parameters, [logits, logits]; empty when the plan keeps
  // one gradient for all tasks.
  std::vector<double> gram;
  // kUncertainty: the factor on each task's loss. kPcgrad, kMgda: that on the gradient of each logits. kFixed: empty.
  std::vector<double> weights;
};

// The algorithms of matrix products that a program of a device with autotune has timed and chosen.
struct ProductTuning {
  struct Choice {
    std::string product, algorithm;
  };
  std::string fits;  // the library and the device they are for; empty: a program that chooses nothing
  std::vector<Choice> products;
};

// Distinct rows of each step, of tables in the host's memory, summed over the steps of every program on the store.
struct HostRows {
  uint64_t used = 0;
  uint64_t missing = 0;   // of these, not in the cache on the device before the step
  uint64_t unplaced = 0;  // of these, read and written over there, since the step itself used the whole cache

  HostRows& operator+=(const HostRows& other) {
    used += other.used;
    missing += other.missing;
    unplaced += other.unplaced;
    return *this;
  }
};

class Program {
 public:
  // Keeps the store alive. Errors name the layer.
  static Result<std::unique_ptr<Program>> create(Plan plan, std::shared_ptr<ParameterStore> store, ProgramOptions options);
  virtual ~Program() = default;

  // One training step. kNonFinite (no parameter changed) when a task's loss is not finite: see stats().
  Status step(const Batch& batch, const StepOptions& options) {
    PRERANK_RETURN_IF_ERROR(start(batch, options));
    return finish();
  }
  // The same in two parts, for devices that work while the next batch is made: up to depth() steps may be started before
  // the oldest is finished, whose status and stats() finish() gives. A batch may change once start() has returned. A start()
  // that fails has started nothing. After kNonFinite from finish() the steps already started change nothing, too.
  virtual Status start(const Batch& batch, const StepOptions& options) = 0;
  virtual Status finish() = 0;
  virtual size_t depth() const { return 1; }
  // Forward only (plans without tasks): fills the outputs.
  virtual Status predict(const Batch& batch) = 0;

  // Choices to keep with a checkpoint: the algorithms decide the last bits of sums.
  virtual ProductTuning tuning() const { return {}; }
  // Takes over kept choices before the first step; products that they lack are timed. False when they are of another library or
  // device. kInvalidArgument when they cannot be read.
  virtual Result<bool> use_tuning(const ProductTuning& /*tuning*/) { return false; }

  virtual const Plan& plan() const = 0;
  virtual std::span<const TaskStats> stats() const = 0;  // of the last step, per task
  virtual const BalanceReport* balance() const = 0;      // null for a plan without balancing
  virtual double gradient_norm() const = 0;              // of the last step with clipping on, before clipping
  virtual HostRows host_rows() const { return {}; }      // up to the last step; 0 without such a cache
  // Copies output i of the last step or predict: [domain rows, width] (domain none: [width]) into `out`.
  virtual Status read_output(size_t output, std::span<float> out) const = 0;
  virtual PhaseTimes times() const = 0;
  // The plan's operations in its order, then the program's own. Empty without ProgramOptions::profile.
  virtual std::vector<OperationTime> operation_times() const = 0;
  virtual size_t bytes() const = 0;
};

}  // namespace prerank
