#include "addon/program_runner.h"

#include <chrono>
#include <cmath>
#include <utility>

#include "addon/allocation_counter.h"
#include "addon/cuda_library.h"
#include "plan/offending_rows.h"

namespace prerank::addon {
namespace {

constexpr size_t kReportedRows = 8;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Result<std::shared_ptr<ProgramRunner>> ProgramRunner::create(Plan plan, std::shared_ptr<ParameterStore> store,
                                                             const ProgramOptions& options) {
  std::shared_ptr<ProgramRunner> runner(new ProgramRunner());
  const bool on_cpu = store->options().device.cuda < 0;
  if (on_cpu) {
    PRERANK_ASSIGN_OR_RETURN(runner->program_, Program::create(std::move(plan), std::move(store), options));
  } else {
    PRERANK_ASSIGN_OR_RETURN(const CudaLibrary* library, cuda_library());
    PRERANK_ASSIGN_OR_RETURN(runner->program_, library->create_program(std::move(plan), std::move(store), options));
  }
  const Plan& checked = runner->program_->plan();
  // A GPU groups the ids by table row itself.
  if (on_cpu && !checked.sparse_gradients.empty()) {
    PRERANK_ASSIGN_OR_RETURN(runner->indexer_, TableIndexer::create(checked, 1));
  }
  return runner;
}

Status ProgramRunner::run(Loader& loader, const RunRequest& request, RunOutcome& outcome) {
  const auto start = std::chrono::steady_clock::now();
  outcome.allocations = thread_allocations().has_value() ? std::optional<uint64_t>(0) : std::nullopt;
  outcome.stats.reserve(request.dense_lr.size() * program_->plan().tasks.size() * kTaskStats);
  const Status ran = run_steps(loader, request, outcome);
  const Status finished = finish_steps(loader, 0, outcome);
  PRERANK_RETURN_IF_ERROR(ran);
  PRERANK_RETURN_IF_ERROR(finished);
  outcome.seconds = seconds_since(start);
  outcome.gradient_norm = program_->gradient_norm();
  outcome.host_rows = program_->host_rows();
  return {};
}

Status ProgramRunner::run_steps(Loader& loader, const RunRequest& request, RunOutcome& outcome) {
  for (size_t i = 0; i < request.dense_lr.size() && !cancelled(request.id) && !outcome.non_finite; ++i) {
    const Cursor before = loader.consumed();
    const auto waiting = std::chrono::steady_clock::now();
    PRERANK_ASSIGN_OR_RETURN(const Batch* batch, loader.next());
    outcome.wait_seconds += seconds_since(waiting);
    if (batch == nullptr) {
      outcome.ended = true;
      break;
    }
    if (request.diagnosis != nullptr && i + 1 == request.dense_lr.size()) {
      // It reads the parameters that the steps before it leave.
      PRERANK_RETURN_IF_ERROR(finish_steps(loader, 0, outcome));
      if (outcome.non_finite) break;
      // Without an update it changes nothing; what is not finite in it is not in the step either.
      const Status seen = request.diagnosis->program_->step(*batch, {request.first_step + i, 0, 0, false});
      if (!seen.ok() && seen.code() != Code::kNonFinite) return seen;
    }
    const std::optional<uint64_t> allocations = thread_allocations();
    const Status started =
        program_->start(*batch, {request.first_step + i, request.dense_lr[i], request.sparse_lr[i], true});
    if (allocations) *outcome.allocations += *thread_allocations() - *allocations;
    if (!started.ok() && started.code() != Code::kNonFinite) return started;
    under_way_.push_back({before, batch->rows, batch->requests});
    if (started.ok()) {
      PRERANK_RETURN_IF_ERROR(finish_steps(loader, program_->depth() - 1, outcome));
    } else {
      PRERANK_RETURN_IF_ERROR(settle(loader, started, outcome));
    }
  }
  return {};
}

// Finishes the oldest steps until `left` are under way.
Status ProgramRunner::finish_steps(Loader& loader, size_t left, RunOutcome& outcome) {
  while (under_way_.size() > left) PRERANK_RETURN_IF_ERROR(settle(loader, program_->finish(), outcome));
  return {};
}

// Takes the oldest step, which ended with `status`, into the outcome. Of those after a refused one nothing is kept: the
// loader goes back to where that one ended.
Status ProgramRunner::settle(Loader& loader, const Status& status, RunOutcome& outcome) {
  const UnderWay step = under_way_.front();
  under_way_.pop_front();
  if (outcome.non_finite) return {};
  if (!status.ok() && status.code() != Code::kNonFinite) return status;
  rows_ = step.rows;
  requests_ = step.requests;
  outcome.steps += 1;
  outcome.rows += step.rows;
  append_stats(outcome.stats);
  if (status.ok()) return {};
  outcome.non_finite = true;
  outcome.ended = false;
  for (size_t k = 0; k < program_->stats().size(); ++k) {
    const TaskStats& stats = program_->stats()[k];
    if (stats.nonfinite > 0 || !std::isfinite(stats.loss)) outcome.tasks.push_back(static_cast<uint32_t>(k));
  }
  PRERANK_RETURN_IF_ERROR(loader.seek(step.before));
  PRERANK_ASSIGN_OR_RETURN(const Batch* batch, loader.next());
  if (batch == nullptr) return {Code::kInternal, "the loader did not find the refused batch again"};
  outcome.offending = offending_rows(program_->plan(), *batch, program_->stats(), kReportedRows);
  return {};
}

Status ProgramRunner::step(Batch& batch, const StepOptions& options, std::vector<double>& stats) {
  PRERANK_RETURN_IF_ERROR(index_tables(batch));
  PRERANK_RETURN_IF_ERROR(program_->step(batch, options));
  rows_ = batch.rows;
  requests_ = batch.requests;
  append_stats(stats);
  return {};
}

Status ProgramRunner::predict(const Batch& batch, std::vector<std::vector<float>>& outputs) {
  PRERANK_RETURN_IF_ERROR(program_->predict(batch));
  return append_outputs(batch, outputs);
}

Status ProgramRunner::predict_all(Loader& loader, uint64_t id, std::vector<std::vector<float>>& outputs) {
  outputs.resize(program_->plan().outputs.size());
  for (;;) {
    if (cancelled(id)) return {Code::kCancelled, "the prediction was cancelled"};
    PRERANK_ASSIGN_OR_RETURN(const Batch* batch, loader.next());
    if (batch == nullptr) return {};
    PRERANK_RETURN_IF_ERROR(predict(*batch, outputs));
  }
}

size_t ProgramRunner::output_size(size_t output) const {
  const Plan& plan = program_->plan();
  const PlanValue& value = plan.values[static_cast<size_t>(plan.outputs[output].value)];
  const auto width = static_cast<size_t>(value.width);
  if (value.domain == Domain::kNone) return width;
  return width * (value.domain == Domain::kRequest ? requests_ : rows_);
}

Status ProgramRunner::index_tables(Batch& batch) {
  if (indexer_ == nullptr) return {};
  return indexer_->index(batch);
}

void ProgramRunner::append_stats(std::vector<double>& stats) const {
  for (const TaskStats& task : program_->stats()) {
    stats.insert(stats.end(), {task.loss, task.weight, task.count, task.prediction, task.target, task.target_sq,
                               task.nonfinite, task.first_row});
  }
}

Status ProgramRunner::append_outputs(const Batch& batch, std::vector<std::vector<float>>& outputs) {
  rows_ = batch.rows;
  requests_ = batch.requests;
  outputs.resize(program_->plan().outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const size_t before = outputs[i].size(), added = output_size(i);
    outputs[i].resize(before + added);
    PRERANK_RETURN_IF_ERROR(program_->read_output(i, std::span(outputs[i]).subspan(before, added)));
  }
  return {};
}

}  // namespace prerank::addon
