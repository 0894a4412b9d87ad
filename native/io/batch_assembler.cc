#include "io/batch_assembler.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "io/gather.h"

namespace prerank {
namespace {

// Columns are interleaved this many rows at a time, so that the destination stays in the L1 cache.
constexpr size_t kDenseBlockRows = 128;

// Processor time of this thread: what the work costs, however often the thread had to wait for a core.
double thread_seconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Status bad_value(Code code, const RowSet& rows, size_t at, const std::string& column, const std::string& what) {
  return {code, "column " + column + ", row " + std::to_string(rows.source[at]) + ": " + what};
}

Status not_finite(const RowSet& rows, size_t at, const std::string& column, float value) {
  return bad_value(Code::kInvalidArgument, rows, at, column,
                   std::isnan(value) ? "the value is NaN" : "the value is infinite");
}

Status lists_changed(const std::string& column) {
  return {Code::kDatasetChanged, "column " + column + ": its list offsets changed since the dataset was opened"};
}

// The list that value `at` belongs to.
size_t list_of(std::span<const uint32_t> offsets, size_t at) {
  return static_cast<size_t>(std::upper_bound(offsets.begin(), offsets.end(), at) - offsets.begin() - 1);
}

std::string id_out_of_range(uint32_t id, int64_t rows) {
  return "id " + std::to_string(id) + " is out of range for its table of " + std::to_string(rows) + " rows";
}

}  // namespace

BatchAssembler::BatchAssembler(const LoaderPlan& plan, RowOrder& order)
    : plan_(plan),
      order_(order),
      verified_(plan.locator.chunks()),
      unverified_(plan.locator.chunks()),
      floats_(plan.floats.size()),
      flags_(plan.flags.size()) {}

Status BatchAssembler::assemble(uint64_t epoch, size_t first, size_t count, BatchBuffers& out) {
  const double start = thread_seconds();
  out.bytes = 0;
  out.batch.rows = count;
  PRERANK_RETURN_IF_ERROR(out.rows.reserve(count));
  order_.read(epoch, first, out.rows.source(count));
  const RowSet rows = plan_.locator.locate(out.rows, count);
  out.batch.source_row = rows.source;
  PRERANK_RETURN_IF_ERROR(verify_chunks(rows));
  const Status gathered = gather_all(rows, out);
  // A truncated file reads as zeros: say so rather than what the zeros led to.
  PRERANK_RETURN_IF_ERROR(plan_.watch.check());
  PRERANK_RETURN_IF_ERROR(gathered);
  const double indexing = thread_seconds();
  out.gather_seconds = indexing - start;
  PRERANK_RETURN_IF_ERROR(index_tables(out));
  out.index_seconds = thread_seconds() - indexing;
  return {};
}

Status BatchAssembler::verify_chunks(const RowSet& rows) {
  for (size_t i = 0; i < rows.size() && unverified_ > 0; ++i) {
    const uint32_t chunk = rows.chunk[i];
    if (verified_[chunk]) continue;
    PRERANK_RETURN_IF_ERROR(plan_.dataset->verify(chunk));
    verified_[chunk] = true;
    --unverified_;
  }
  return {};
}

Status BatchAssembler::gather_all(const RowSet& rows, BatchBuffers& out) {
  if (plan_.request != nullptr) PRERANK_RETURN_IF_ERROR(group_requests(rows, out));
  out.dense.resize(plan_.dense.size());
  out.batch.dense.resize(plan_.dense.size());
  for (size_t i = 0; i < plan_.dense.size(); ++i) {
    PRERANK_RETURN_IF_ERROR(gather_dense(i, of_domain(plan_.dense[i].domain, rows), out));
  }
  out.ids.resize(plan_.ids.size());
  out.batch.ids.resize(plan_.ids.size());
  for (size_t i = 0; i < plan_.ids.size(); ++i) {
    const RowSet& from = of_domain(plan_.ids[i].source.domain, rows);
    PRERANK_RETURN_IF_ERROR(plan_.ids[i].source.multi ? gather_lists(i, from, out) : gather_single(i, from, out));
  }
  if (plan_.weight != nullptr) PRERANK_RETURN_IF_ERROR(gather_weight(rows, out));
  return plan_.options.training ? gather_targets(rows, out) : Status();
}

Status BatchAssembler::group_requests(const RowSet& rows, BatchBuffers& out) {
  const size_t count = rows.size();
  PRERANK_RETURN_IF_ERROR(request_values_.reserve(count));
  PRERANK_RETURN_IF_ERROR(out.request_of_row.reserve(count));
  PRERANK_RETURN_IF_ERROR(out.request_offsets.reserve(count + 1));
  PRERANK_RETURN_IF_ERROR(request_rows_.reserve(count));
  gather(*plan_.request, rows, request_values_.data());
  out.bytes += count * sizeof(uint32_t);
  size_t requests = 0;
  for (size_t r = 0; r < count; ++r) {
    if (r == 0 || request_values_[r] != request_values_[r - 1]) {
      out.request_offsets[requests] = static_cast<uint32_t>(r);
      request_rows_.source(count)[requests] = rows.source[r];
      ++requests;
    }
    out.request_of_row[r] = static_cast<uint32_t>(requests - 1);
  }
  out.request_offsets[requests] = static_cast<uint32_t>(count);
  requests_ = plan_.locator.locate(request_rows_, requests);
  out.batch.requests = requests;
  out.batch.request_of_row = out.request_of_row.first(count);
  out.batch.request_offsets = out.request_offsets.first(requests + 1);
  return {};
}

Status BatchAssembler::gather_dense(size_t input, const RowSet& rows, BatchBuffers& out) {
  const auto& columns = plan_.dense[input].columns;
  const size_t width = columns.size(), floats = rows.size() * width;
  PRERANK_RETURN_IF_ERROR(out.dense[input].reserve(floats));
  float* const values = out.dense[input].data();
  out.batch.dense[input] = values;
  out.bytes += floats * sizeof(float);
  for (size_t begin = 0; begin < rows.size(); begin += kDenseBlockRows) {
    const size_t end = std::min(begin + kDenseBlockRows, rows.size());
    for (size_t c = 0; c < width; ++c) gather(*columns[c], rows, begin, end, values + begin * width + c, width);
    if (const auto bad = first_nonfinite({values + begin * width, (end - begin) * width})) {
      const size_t at = begin * width + *bad;
      return not_finite(rows, at / width, columns[at % width]->name, values[at]);
    }
  }
  return {};
}

Status BatchAssembler::gather_single(size_t input, const RowSet& rows, BatchBuffers& out) {
  const LoaderPlan::Ids& source = plan_.ids[input];
  BatchBuffers::Ids& buffers = out.ids[input];
  PRERANK_RETURN_IF_ERROR(buffers.ids.reserve(rows.size()));
  const auto ids = buffers.ids.first(rows.size());
  gather(*source.column, rows, ids.data());
  out.bytes += ids.size_bytes();
  if (const auto bad = first_beyond(ids, static_cast<uint64_t>(source.source.table_rows))) {
    return bad_value(Code::kOutOfRange, rows, *bad, source.column->name,
                     id_out_of_range(ids[*bad], source.source.table_rows));
  }
  out.batch.ids[input] = {ids, {}, {}};
  return {};
}

Status BatchAssembler::gather_lists(size_t input, const RowSet& rows, BatchBuffers& out) {
  const LoaderPlan::Ids& source = plan_.ids[input];
  BatchBuffers::Ids& buffers = out.ids[input];
  PRERANK_RETURN_IF_ERROR(begins_.reserve(rows.size()));
  PRERANK_RETURN_IF_ERROR(buffers.offsets.reserve(rows.size() + 1));
  const auto count = gather_list_offsets(*source.column, rows, buffers.offsets.data(), begins_.data());
  if (!count) return lists_changed(source.column->name);
  PRERANK_RETURN_IF_ERROR(buffers.ids.reserve(*count));
  const auto ids = buffers.ids.first(*count);
  const auto offsets = buffers.offsets.first(rows.size() + 1);
  gather_list_values(*source.column, rows, offsets.data(), begins_.data(), ids.data());
  out.bytes += ids.size_bytes() + rows.size() * sizeof(uint32_t);
  if (const auto bad = first_beyond(ids, static_cast<uint64_t>(source.source.table_rows))) {
    return bad_value(Code::kOutOfRange, rows, list_of(offsets, *bad), source.column->name,
                     id_out_of_range(ids[*bad], source.source.table_rows));
  }
  out.batch.ids[input] = {ids, offsets, {}};
  if (source.weights == nullptr) return {};
  PRERANK_RETURN_IF_ERROR(gather_list_weights(source, rows, *count, buffers, out));
  out.batch.ids[input].weights = buffers.weights.first(*count);
  return {};
}

Status BatchAssembler::gather_list_weights(const LoaderPlan::Ids& source, const RowSet& rows, size_t count,
                                           BatchBuffers::Ids& buffers, BatchBuffers& out) {
  PRERANK_RETURN_IF_ERROR(offsets_.reserve(rows.size() + 1));
  PRERANK_RETURN_IF_ERROR(buffers.weights.reserve(count));
  const std::string& name = source.weights->name;
  if (!gather_list_offsets(*source.weights, rows, offsets_.data(), begins_.data())) return lists_changed(name);
  const auto expected = buffers.offsets.first(rows.size() + 1);
  const auto found = offsets_.first(rows.size() + 1);
  const auto differ = std::mismatch(expected.begin(), expected.end(), found.begin());
  if (differ.first != expected.end()) {
    const auto r = static_cast<size_t>(differ.first - expected.begin()) - 1;
    return bad_value(Code::kInvalidArgument, rows, r, name,
                     std::to_string(found[r + 1] - found[r]) + " weights for " +
                         std::to_string(expected[r + 1] - expected[r]) + " ids of column " + source.column->name);
  }
  const auto weights = buffers.weights.first(count);
  gather_list_values(*source.weights, rows, found.data(), begins_.data(), weights.data());
  out.bytes += weights.size_bytes();
  if (const auto bad = first_nonfinite(weights)) return not_finite(rows, list_of(expected, *bad), name, weights[*bad]);
  return {};
}

Status BatchAssembler::gather_weight(const RowSet& rows, BatchBuffers& out) {
  PRERANK_RETURN_IF_ERROR(out.weight.reserve(rows.size()));
  const auto weight = out.weight.first(rows.size());
  gather(*plan_.weight, rows, weight.data());
  out.bytes += weight.size_bytes();
  out.batch.weight = weight.data();
  if (const auto bad = first_nonfinite(weight)) return not_finite(rows, *bad, plan_.weight->name, weight[*bad]);
  const auto negative = std::find_if(weight.begin(), weight.end(), [](float w) { return w < 0; });
  if (negative != weight.end()) {
    return bad_value(Code::kInvalidArgument, rows, static_cast<size_t>(negative - weight.begin()), plan_.weight->name,
                     "the weight is negative");
  }
  return {};
}

Status BatchAssembler::gather_targets(const RowSet& rows, BatchBuffers& out) {
  for (size_t c = 0; c < floats_.size(); ++c) {
    PRERANK_RETURN_IF_ERROR(floats_[c].reserve(rows.size()));
    gather(*plan_.floats[c], rows, floats_[c].data());
    out.bytes += rows.size() * sizeof(float);
  }
  for (size_t c = 0; c < flags_.size(); ++c) {
    PRERANK_RETURN_IF_ERROR(flags_[c].reserve(rows.size()));
    gather(*plan_.flags[c], rows, flags_[c].data());
    out.bytes += rows.size();
  }
  PRERANK_RETURN_IF_ERROR(out.task_mask.reserve(rows.size()));
  const auto mask = out.task_mask.first(rows.size());
  std::fill(mask.begin(), mask.end(), 0u);
  out.batch.task_mask = mask;
  out.targets.resize(plan_.tasks.size());
  out.batch.targets.resize(plan_.tasks.size());
  out.batch.inv_n.resize(plan_.tasks.size());
  for (size_t k = 0; k < plan_.tasks.size(); ++k) PRERANK_RETURN_IF_ERROR(set_task(k, rows, out));
  return {};
}

Status BatchAssembler::set_task(size_t task, const RowSet& rows, BatchBuffers& out) {
  const LoaderPlan::Task& plan = plan_.tasks[task];
  PRERANK_RETURN_IF_ERROR(out.targets[task].reserve(rows.size()));
  float* const targets = out.targets[task].data();
  const float* const shown_target = floats_[plan.target].data();
  const bool labelled = plan.source.unseen == Unseen::kLabel;
  const float* const hidden_target =
      !labelled ? nullptr : plan.pseudo ? floats_[*plan.pseudo].data() : shown_target;
  const float hidden_value = plan.source.unseen == Unseen::kNegative ? 0 : std::numeric_limits<float>::quiet_NaN();
  const uint8_t* const shown = plan.shown ? flags_[*plan.shown].data() : nullptr;
  const uint8_t* const traffic = plan.traffic ? flags_[*plan.traffic].data() : nullptr;
  double weight_sum = 0;
  for (size_t r = 0; r < rows.size(); ++r) {
    const bool is_shown = shown == nullptr || shown[r] != 0;
    const float y = is_shown ? shown_target[r] : hidden_target == nullptr ? hidden_value : hidden_target[r];
    const bool trains = (traffic == nullptr || traffic[r] != 0) && !std::isnan(y);
    targets[r] = 0;
    if (!trains) continue;
    if (std::isinf(y) || (plan.source.probability && !(y >= 0 && y <= 1))) {
      const std::string& column = plan_.floats[is_shown || !plan.pseudo ? plan.target : *plan.pseudo]->name;
      if (std::isinf(y)) return not_finite(rows, r, column, y);
      return bad_value(Code::kOutOfRange, rows, r, column, "the target " + std::to_string(y) + " is not in [0, 1]");
    }
    targets[r] = static_cast<float>(plan.source.scale * (static_cast<double>(y) - plan.source.shift));
    out.task_mask[r] |= 1u << task;
    weight_sum += out.batch.weight == nullptr ? 1.0 : static_cast<double>(out.batch.weight[r]);
  }
  out.batch.targets[task] = targets;
  out.batch.inv_n[task] = weight_sum > 0 ? 1.0 / weight_sum : 0.0;
  return {};
}

Status BatchAssembler::index_tables(BatchBuffers& out) {
  out.tables.resize(plan_.tables.size());
  out.batch.table_index.resize(plan_.tables.size());
  for (size_t t = 0; t < plan_.tables.size(); ++t) {
    PRERANK_ASSIGN_OR_RETURN(out.batch.table_index[t],
                             build_table_index(plan_.tables[t], out.batch.ids, index_scratch_, out.tables[t]));
  }
  return {};
}

}  // namespace prerank
