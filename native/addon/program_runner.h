// What the Program class of the addon does on its own thread: no JavaScript here.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "prerank/batch.h"
#include "prerank/loader.h"
#include "prerank/program.h"

namespace prerank::addon {

inline constexpr size_t kTaskStats = 8;  // numbers per task, in the order of TASK_STATS (src/runtime/native.ts)

class ProgramRunner;

struct RunRequest {
  uint64_t id = 0;  // ascending: cancel() ends every run submitted before it
  uint64_t first_step = 0;
  std::vector<double> dense_lr, sparse_lr;  // one entry per step
  std::shared_ptr<ProgramRunner> diagnosis;  // computes gradients on the last step's batch, before it; or null
};

struct RunOutcome {
  uint64_t steps = 0;
  uint64_t rows = 0;
  std::vector<double> stats;  // [steps, tasks, kTaskStats]
  double seconds = 0;
  double wait_seconds = 0;
  std::optional<uint64_t> allocations;  // of the program's thread during the steps, the loader apart
  bool ended = false;
  double gradient_norm = 0;
  HostRows host_rows;
  bool non_finite = false;
  std::vector<uint32_t> tasks, offending;  // of the refused step
};

// Used by one job at a time, but for cancel and the counters it reads.
class ProgramRunner {
 public:
  static Result<std::shared_ptr<ProgramRunner>> create(Plan plan, std::shared_ptr<ParameterStore> store,
                                                       const ProgramOptions& options);

  const Program& program() const { return *program_; }
  Result<bool> use_tuning(const ProductTuning& tuning) { return program_->use_tuning(tuning); }

  Status run(Loader& loader, const RunRequest& request, RunOutcome& outcome);
  Status step(Batch& batch, const StepOptions& options, std::vector<double>& stats);
  Status predict(const Batch& batch, std::vector<std::vector<float>>& outputs);
  // kCancelled when a cancel ends it. Outputs are appended batch by batch.
  Status predict_all(Loader& loader, uint64_t id, std::vector<std::vector<float>>& outputs);

  // Elements of an output after the last batch.
  size_t output_size(size_t output) const;

  // Any thread.
  uint64_t next_id() { return next_id_.fetch_add(1); }
  void cancel() { cancelled_below_.store(next_id_.load()); }
  void cancel_for_ever() { cancelled_below_.store(UINT64_MAX); }

 private:
  ProgramRunner() = default;
  bool cancelled(uint64_t id) const { return id < cancelled_below_.load(); }
  struct UnderWay {
    Cursor before;  // of the loader
    size_t rows = 0, requests = 0;
  };
  Status run_steps(Loader& loader, const RunRequest& request, RunOutcome& outcome);
  Status finish_steps(Loader& loader, size_t left, RunOutcome& outcome);
  Status settle(Loader& loader, const Status& status, RunOutcome& outcome);
  Status index_tables(Batch& batch);
  void append_stats(std::vector<double>& stats) const;
  Status append_outputs(const Batch& batch, std::vector<std::vector<float>>& outputs);

  std::unique_ptr<Program> program_;
  std::unique_ptr<TableIndexer> indexer_;  // for batches without a table index
  std::deque<UnderWay> under_way_;         // steps that were started and not finished
  size_t rows_ = 0, requests_ = 0;         // of the last batch
  std::atomic<uint64_t> next_id_{1};
  std::atomic<uint64_t> cancelled_below_{0};
};

}  // namespace prerank::addon
