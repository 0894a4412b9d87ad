#include "plan/offending_rows.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace prerank {
namespace {

bool finite_inputs(const Plan& plan, const Batch& batch, size_t row) {
  for (size_t i = 0; i < plan.dense_inputs.size(); ++i) {
    const auto width = static_cast<size_t>(plan.dense_inputs[i].width);
    const size_t at = plan.dense_inputs[i].domain == Domain::kRequest ? batch.request_of_row[row] : row;
    const float* values = batch.dense[i] + at * width;
    if (!std::all_of(values, values + width, [](float v) { return std::isfinite(v); })) return false;
  }
  if (batch.weight != nullptr && !std::isfinite(batch.weight[row])) return false;
  for (size_t k = 0; k < plan.tasks.size(); ++k) {
    if ((batch.task_mask[row] >> k & 1) != 0 && !std::isfinite(batch.targets[k][row])) return false;
  }
  return true;
}

}  // namespace

std::vector<uint32_t> offending_rows(const Plan& plan, const Batch& batch, std::span<const TaskStats> stats,
                                     size_t limit) {
  std::set<size_t> rows;
  for (const TaskStats& task : stats) {
    if (task.first_row >= 0) rows.insert(static_cast<size_t>(task.first_row));
  }
  for (size_t row = 0; row < batch.rows && rows.size() < limit; ++row) {
    if (!finite_inputs(plan, batch, row)) rows.insert(row);
  }
  std::vector<uint32_t> result;
  for (const size_t row : rows) {
    if (result.size() == limit) break;
    result.push_back(batch.source_row.empty() ? static_cast<uint32_t>(row) : batch.source_row[row]);
  }
  return result;
}

}  // namespace prerank
