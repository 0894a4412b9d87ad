#include "plan/batch_check.h"

#include <string>

namespace prerank {
namespace {

Status refused(std::string message) { return {Code::kInvalidArgument, "batch: " + std::move(message)}; }

Status check_count(const char* what, size_t actual, size_t expected) {
  if (actual == expected) return {};
  return refused("it has " + std::to_string(actual) + " " + what + ", expected " + std::to_string(expected));
}

Status check_size(const char* what, size_t actual, size_t limit) {
  if (actual <= limit) return {};
  return refused(std::to_string(actual) + " " + what + " are more than the capacity of " + std::to_string(limit));
}

size_t domain_rows(const Batch& batch, Domain domain) {
  return domain == Domain::kRequest ? batch.requests : batch.rows;
}

Status check_ids(const PlanIdInput& input, const BatchIds& ids, size_t rows) {
  const bool fits = input.multi ? ids.offsets.size() == rows + 1 : ids.offsets.empty() && ids.ids.size() == rows;
  if (!fits) return refused("id input " + input.name + " does not have one entry per row");
  if (input.weighted != !ids.weights.empty() && !ids.ids.empty()) {
    return refused("id input " + input.name + (input.weighted ? " has no weights" : " has weights, but takes none"));
  }
  if (!ids.weights.empty() && ids.weights.size() != ids.ids.size()) {
    return refused("id input " + input.name + " does not have one weight per id");
  }
  return {};
}

Status check_training(const Plan& plan, const Batch& batch) {
  PRERANK_RETURN_IF_ERROR(check_count("task masks", batch.task_mask.size(), batch.rows));
  PRERANK_RETURN_IF_ERROR(check_count("targets", batch.targets.size(), plan.tasks.size()));
  PRERANK_RETURN_IF_ERROR(check_count("task normalisers", batch.inv_n.size(), plan.tasks.size()));
  for (size_t k = 0; k < plan.tasks.size(); ++k) {
    if (batch.targets[k] == nullptr && batch.rows > 0) return refused("task " + plan.tasks[k].name + " has no targets");
  }
  return {};
}

}  // namespace

Status check_batch(const Plan& plan, const Batch& batch, const BatchLimits& limits, bool training, bool indexed) {
  PRERANK_RETURN_IF_ERROR(check_size("rows", batch.rows, limits.rows));
  if (limits.request_domain) {
    PRERANK_RETURN_IF_ERROR(check_size("requests", batch.requests, limits.requests));
    PRERANK_RETURN_IF_ERROR(check_count("requests of rows", batch.request_of_row.size(), batch.rows));
    PRERANK_RETURN_IF_ERROR(check_count("request offsets", batch.request_offsets.size(), batch.requests + 1));
  }
  PRERANK_RETURN_IF_ERROR(check_count("dense inputs", batch.dense.size(), plan.dense_inputs.size()));
  for (size_t i = 0; i < plan.dense_inputs.size(); ++i) {
    if (batch.dense[i] == nullptr && domain_rows(batch, plan.dense_inputs[i].domain) > 0) {
      return refused("dense input " + plan.dense_inputs[i].name + " is missing");
    }
  }
  PRERANK_RETURN_IF_ERROR(check_count("id inputs", batch.ids.size(), plan.id_inputs.size()));
  for (size_t i = 0; i < plan.id_inputs.size(); ++i) {
    PRERANK_RETURN_IF_ERROR(
        check_ids(plan.id_inputs[i], batch.ids[i], domain_rows(batch, plan.id_inputs[i].domain)));
  }
  if (training) PRERANK_RETURN_IF_ERROR(check_training(plan, batch));
  if (indexed) PRERANK_RETURN_IF_ERROR(check_count("table indices", batch.table_index.size(), plan.tables.size()));
  return {};
}

}  // namespace prerank
