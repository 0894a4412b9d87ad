#include "addon/array_batch.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>

#include "addon/convert.h"

namespace prerank::addon {
namespace {

constexpr size_t kMaxRows = size_t{1} << 31;
constexpr size_t kRowsAhead = 8;   // rows fetched before they are copied
constexpr size_t kLineFloats = 16;  // of a cache line

void check_length(Napi::Env env, const std::string& what, size_t actual, size_t expected) {
  if (actual == expected) return;
  throw_invalid(env, what + " has " + std::to_string(actual) + " elements, expected " + std::to_string(expected));
}

Napi::Array array_or_empty(const Fields& fields, const char* key) {
  return fields.has(key) ? fields.array(key) : Napi::Array::New(fields.env(), 0);
}

void prefetch_row(const float* row, size_t width) {
  for (size_t i = 0; i < width; i += kLineFloats) __builtin_prefetch(row + i);
}

bool has_request_domain(const Plan& plan) {
  const auto request = [](const auto& item) { return item.domain == Domain::kRequest; };
  return std::ranges::any_of(plan.values, request) || std::ranges::any_of(plan.id_inputs, request) ||
         std::ranges::any_of(plan.dense_inputs, request);
}

}  // namespace

ArrayBatch::ArrayBatch(Napi::Value value, const Plan& plan) {
  const Fields fields(value, "ArrayBatch");
  batch_.rows = fields.unsigned_integer("rows");
  if (batch_.rows > kMaxRows) throw_invalid(fields.env(), "ArrayBatch.rows is too large");
  read_requests(fields.get("requestOfRow"), has_request_domain(plan));
  read_dense(array_or_empty(fields, "dense"), plan);
  read_ids(array_or_empty(fields, "ids"), plan);
  if (fields.has("weight")) {
    weight_ = to_vector<float>(fields.get("weight"), "ArrayBatch.weight");
    check_length(fields.env(), "ArrayBatch.weight", weight_.size(), batch_.rows);
    for (const float weight : weight_) {
      if (!(weight >= 0) || std::isinf(weight)) {
        throw_invalid(fields.env(), "ArrayBatch.weight must be finite and not negative, got " + std::to_string(weight));
      }
    }
    batch_.weight = weight_.data();
  }
  if (!plan.tasks.empty()) read_tasks(to_object(value, "ArrayBatch"), plan);
}

void ArrayBatch::read_requests(Napi::Value value, bool needed) {
  if (!needed) return;
  request_of_row_ = to_vector<uint32_t>(value, "ArrayBatch.requestOfRow");
  check_length(value.Env(), "ArrayBatch.requestOfRow", request_of_row_.size(), batch_.rows);
  uint32_t previous = 0;
  for (size_t r = 0; r < request_of_row_.size(); ++r) {
    const uint32_t request = request_of_row_[r];
    if (request < previous || request > previous + 1 || (r == 0 && request != 0)) {
      throw_invalid(value.Env(), "ArrayBatch.requestOfRow must start at 0 and grow by 0 or 1, row " +
                                     std::to_string(r) + " has " + std::to_string(request));
    }
    if (r == 0 || request != previous) request_offsets_.push_back(static_cast<uint32_t>(r));
    previous = request;
  }
  batch_.requests = request_offsets_.size();
  request_offsets_.push_back(static_cast<uint32_t>(batch_.rows));
  batch_.request_of_row = request_of_row_;
  batch_.request_offsets = request_offsets_;
}

void ArrayBatch::read_dense(Napi::Array array, const Plan& plan) {
  check_length(array.Env(), "ArrayBatch.dense", array.Length(), plan.dense_inputs.size());
  for_each(array, "ArrayBatch.dense", [&](Napi::Value value, const std::string& what) {
    const PlanDenseInput& input = plan.dense_inputs[dense_.size()];
    const std::string name = what + " (" + input.name + ")";
    const size_t rows = rows_of(input.domain), width = static_cast<size_t>(input.width);
    if (value.IsTypedArray()) {
      dense_.push_back(to_vector<float>(value, name));
      check_length(array.Env(), name, dense_.back().size(), rows * width);
    } else {
      dense_.push_back(chosen_rows(value, name, rows, width));
    }
  });
  for (const std::vector<float>& values : dense_) batch_.dense.push_back(values.data());
}

// A copy of some rows of a larger matrix, {values, rows}.
std::vector<float> ArrayBatch::chosen_rows(Napi::Value value, const std::string& name, size_t rows,
                                           size_t width) const {
  const Fields fields(value, name);
  const std::span<const float> values = to_span<float>(fields.get("values"), fields.path("values"));
  const std::span<const uint32_t> chosen = to_span<uint32_t>(fields.get("rows"), fields.path("rows"));
  check_length(fields.env(), fields.path("rows"), chosen.size(), rows);
  const size_t known = values.size() / width;
  if (values.size() % width != 0) {
    throw_invalid(fields.env(), fields.path("values") + " has " + std::to_string(values.size()) +
                                    " elements, which are no rows of " + std::to_string(width));
  }
  const auto bad = std::ranges::find_if(chosen, [&](uint32_t row) { return row >= known; });
  if (bad != chosen.end()) {
    check(fields.env(), Status(Code::kOutOfRange, fields.path("rows") + ": row " + std::to_string(*bad) +
                                                      " at position " + std::to_string(bad - chosen.begin()) +
                                                      " is not below the " + std::to_string(known) +
                                                      " rows of the values"));
  }
  std::vector<float> copy;
  copy.reserve(rows * width);
  for (size_t i = 0; i < rows; ++i) {
    if (i + kRowsAhead < rows) prefetch_row(values.data() + chosen[i + kRowsAhead] * width, width);
    const float* const from = values.data() + chosen[i] * width;
    copy.insert(copy.end(), from, from + width);
  }
  return copy;
}

void ArrayBatch::read_ids(Napi::Array array, const Plan& plan) {
  check_length(array.Env(), "ArrayBatch.ids", array.Length(), plan.id_inputs.size());
  for_each(array, "ArrayBatch.ids", [&](Napi::Value value, const std::string& what) {
    const PlanIdInput& input = plan.id_inputs[ids_.size()];
    const Fields fields(value, what + " (" + input.name + ")");
    Ids& ids = ids_.emplace_back();
    ids.ids = to_vector<uint32_t>(fields.get("ids"), fields.path("ids"));
    if (fields.has("offsets")) ids.offsets = to_vector<uint32_t>(fields.get("offsets"), fields.path("offsets"));
    if (fields.has("weights")) ids.weights = to_vector<float>(fields.get("weights"), fields.path("weights"));
    check_ids(fields.env(), input, plan.tables[static_cast<size_t>(input.table)].rows, ids);
  });
  for (const Ids& ids : ids_) batch_.ids.push_back({ids.ids, ids.offsets, ids.weights});
}

void ArrayBatch::check_ids(Napi::Env env, const PlanIdInput& input, int64_t table_rows, const Ids& ids) const {
  const std::string name = "ids of " + input.name;
  const size_t rows = rows_of(input.domain);
  if (input.multi) {
    check_length(env, "offsets of " + name, ids.offsets.size(), rows + 1);
    if (ids.offsets.front() != 0 || ids.offsets.back() != ids.ids.size() || !std::ranges::is_sorted(ids.offsets)) {
      throw_invalid(env, "offsets of " + name + " must ascend from 0 to the number of ids, " +
                             std::to_string(ids.ids.size()));
    }
  } else {
    check_length(env, "offsets of " + name, ids.offsets.size(), 0);
    check_length(env, name, ids.ids.size(), rows);
  }
  check_length(env, "weights of " + name, ids.weights.size(), input.weighted ? ids.ids.size() : 0);
  const auto bad = std::ranges::find_if(ids.ids, [&](uint32_t id) { return id >= table_rows; });
  if (bad == ids.ids.end()) return;
  check(env, Status(Code::kOutOfRange, name + ": id " + std::to_string(*bad) + " at position " +
                                           std::to_string(bad - ids.ids.begin()) + " is not below the table's " +
                                           std::to_string(table_rows) + " rows"));
}

void ArrayBatch::read_tasks(Napi::Object object, const Plan& plan) {
  const Fields fields(object, "ArrayBatch");
  const Napi::Env env = fields.env();
  task_mask_ = to_vector<uint32_t>(fields.get("taskMask"), "ArrayBatch.taskMask");
  check_length(env, "ArrayBatch.taskMask", task_mask_.size(), batch_.rows);
  const uint32_t known = plan.tasks.size() >= 32 ? ~0u : (1u << plan.tasks.size()) - 1;
  for (const uint32_t mask : task_mask_) {
    if ((mask & ~known) != 0) throw_invalid(env, "ArrayBatch.taskMask names a task that the plan does not have");
  }
  const Napi::Array targets = fields.array("targets");
  check_length(env, "ArrayBatch.targets", targets.Length(), plan.tasks.size());
  for_each(targets, "ArrayBatch.targets", [&](Napi::Value value, const std::string& what) {
    targets_.push_back(to_vector<float>(value, what));
    check_length(env, what, targets_.back().size(), batch_.rows);
  });
  for (size_t k = 0; k < plan.tasks.size(); ++k) {
    double weights = 0;
    for (size_t r = 0; r < batch_.rows; ++r) {
      if ((task_mask_[r] >> k & 1) == 0) continue;
      const float target = targets_[k][r];
      if (plan.tasks[k].kind == LossKind::kBce && (target < 0 || target > 1)) {
        check(env, Status(Code::kOutOfRange, "target of task " + plan.tasks[k].name + " in row " + std::to_string(r) +
                                                 " is " + std::to_string(target) + ", outside [0, 1]"));
      }
      weights += weight_.empty() ? 1.0 : static_cast<double>(weight_[r]);
    }
    batch_.inv_n.push_back(weights > 0 ? 1 / weights : 0);
    batch_.targets.push_back(targets_[k].data());
  }
  batch_.task_mask = task_mask_;
}

}  // namespace prerank::addon
