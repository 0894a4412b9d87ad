#include "plan/program_checks.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace prerank {
namespace {

constexpr size_t kMaxRows = size_t{1} << 31;  // row numbers in a batch are 32 bits wide

bool uses_requests(const Plan& plan) {
  const auto request = [](const auto& item) { return item.domain == Domain::kRequest; };
  return std::ranges::any_of(plan.values, request) || std::ranges::any_of(plan.dense_inputs, request) ||
         std::ranges::any_of(plan.id_inputs, request) || std::ranges::any_of(plan.segments, request);
}

}  // namespace

Status check_options(const ProgramOptions& options) {
  for (const auto& [name, rows] : {std::pair{"capacity", options.capacity}, {"requestCapacity", options.request_capacity}}) {
    if (rows <= kMaxRows) continue;
    return {Code::kInvalidArgument, std::string(name) + " must be at most " + std::to_string(kMaxRows)};
  }
  if (options.capacity < 1) return {Code::kInvalidArgument, "capacity must be at least 1"};
  if (!std::isfinite(options.clip_norm) || options.clip_norm < 0) {
    return {Code::kInvalidArgument, "clipNorm must be a finite number, at least 0"};
  }
  return {};
}

BatchLimits batch_limits(const Plan& plan, const ProgramOptions& options) {
  BatchLimits limits = {.rows = options.capacity, .request_domain = uses_requests(plan)};
  if (limits.request_domain) {
    limits.requests = options.request_capacity > 0 ? options.request_capacity : options.capacity;
  }
  return limits;
}

Result<size_t> output_value(const Plan& plan, size_t output, size_t size, const OutputRows& batch) {
  if (output >= plan.outputs.size()) {
    return Status(Code::kOutOfRange, "the plan has " + std::to_string(plan.outputs.size()) +
                                         " outputs, asked for number " + std::to_string(output));
  }
  const auto index = static_cast<size_t>(plan.outputs[output].value);
  const PlanValue& value = plan.values[index];
  const size_t rows = value.domain == Domain::kNone      ? 1
                      : value.domain == Domain::kRequest ? batch.requests
                                                         : batch.rows;
  const size_t expected = rows * static_cast<size_t>(value.width);
  if (size != expected) {
    return Status(Code::kInvalidArgument, "output " + plan.outputs[output].name + " has " + std::to_string(expected) +
                                              " elements, the array has " + std::to_string(size));
  }
  return index;
}

Status check_losses(const Plan& plan, std::span<const TaskStats> stats) {
  for (size_t k = 0; k < stats.size(); ++k) {
    if (stats[k].nonfinite == 0 && std::isfinite(stats[k].loss)) continue;
    return {Code::kNonFinite, "the loss of task " + plan.tasks[k].name + " is not finite in " +
                                  std::to_string(static_cast<uint64_t>(stats[k].nonfinite)) +
                                  " rows, the first is row " +
                                  std::to_string(static_cast<int64_t>(stats[k].first_row)) + " of the batch"};
  }
  return {};
}

}  // namespace prerank
