#include "ingest/part_profile.h"

#include <cmath>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "ingest/dense_transform.h"
#include "ingest/number_values.h"
#include "ingest/request_key.h"
#include "ingest/row_copy.h"

namespace prerank::ingest {
namespace {

// Follows the values of a column through `findings`: the first, the last, and whether they ever fall.
template <class Stored, class At>
void follow_times(const VectorView& column, const RowSlice& slice, PartFindings& findings, At at) {
  using Value = std::decay_t<decltype(at(size_t{0}))>;
  std::optional<Value> last;
  if (const Stored* const before = std::get_if<Stored>(&findings.last_time)) last = Value(*before);
  for (size_t row = slice.from; row < slice.to; ++row) {
    if (!column.valid(row)) continue;
    const Value value = at(row);
    if (value != value) continue;  // NaN says nothing
    if (last && value < *last) findings.chronological = false;
    if (!last) findings.first_time = Stored(value);
    last = value;
  }
  if (last) findings.last_time = Stored(*last);
}

}  // namespace

PartProfiler::PartProfiler(const ProfileSpec& spec)
    : spec_(spec),
      split_(spec.split_seed, spec.split_fraction, spec.split_keep_below),
      streams_(spec.moment_inputs.size()) {}

Status PartProfiler::add(const RowSlice& slice, bool keep_hashes) {
  if (spec_.request_input) PRERANK_RETURN_IF_ERROR(add_requests(slice, keep_hashes));
  if (spec_.time_input) PRERANK_RETURN_IF_ERROR(add_times(slice));
  if (split_.splits()) mark_split(slice);
  PRERANK_RETURN_IF_ERROR(add_numbers(slice));
  findings_.rows += slice.rows();
  return {};
}

Status PartProfiler::add_requests(const RowSlice& slice, bool keep_hashes) {
  const VectorView& column = slice.chunk->column(*spec_.request_input);
  PRERANK_RETURN_IF_ERROR(check_request_column(column));
  const bool had_value = current_.chunk != nullptr;
  starts_.clear();
  size_t last = slice.to;
  const VectorView* const before = had_value ? &current_.chunk->column(*spec_.request_input) : nullptr;
  find_request_starts(column, slice.from, slice.to, before, current_.from, starts_, last);
  if (last < slice.to) current_ = copy_rows({slice.chunk, last, last + 1, slice.origin});
  if (!had_value) findings_.leading_nulls += starts_.empty() ? slice.rows() : starts_.front() - slice.from;
  if (!had_value && !starts_.empty()) findings_.first = request_bytes(column, starts_.front());
  // The first request ends where the second begins.
  if (findings_.runs < 2) {
    const size_t begin = findings_.runs == 0 && !starts_.empty() ? starts_.front() : slice.from;
    const size_t second = findings_.runs == 0 ? 1 : 0;
    const size_t end = starts_.size() > second ? starts_[second] : slice.to;
    if (findings_.runs == 1 || !starts_.empty()) findings_.first_rows += end - begin;
  }
  findings_.runs += starts_.size();
  if (keep_hashes) {
    for (const uint32_t start : starts_) findings_.hashes.push_back(request_hash(column, start));
  }
  return {};
}

Status PartProfiler::add_times(const RowSlice& slice) {
  const VectorView& column = slice.chunk->column(*spec_.time_input);
  switch (column.type) {
    case Physical::kInt64: {
      const auto* const data = static_cast<const int64_t*>(column.data);
      follow_times<int64_t>(column, slice, findings_, [data](size_t row) { return data[row]; });
      return {};
    }
    case Physical::kDouble: {
      const auto* const data = static_cast<const double*>(column.data);
      follow_times<double>(column, slice, findings_, [data](size_t row) { return data[row]; });
      return {};
    }
    case Physical::kString:
      follow_times<std::string>(column, slice, findings_, [&column](size_t row) { return column.text(row); });
      return {};
    default: return {Code::kUnsupported, "the time column is neither BIGINT, DOUBLE nor VARCHAR"};
  }
}

Status PartProfiler::add_numbers(const RowSlice& slice) {
  for (size_t i = 0; i < streams_.size(); ++i) {
    const VectorView& column = slice.chunk->column(spec_.moment_inputs[i]);
    if (!is_number(column.type)) return {Code::kUnsupported, "moments are taken of numbers only"};
    values_.resize(slice.rows());
    read_doubles({&column, slice.from, nullptr, slice.rows()}, values_.data());
    size_t present = 0;
    for (size_t k = 0; k < slice.rows(); ++k) {
      const double value = values_[k];
      const bool counts = in_split_.empty() || in_split_[k] != 0;
      values_[present] = value;
      present += counts && column.valid(slice.from + k) && std::isfinite(value);
    }
    values_.resize(present);
    if (spec_.moment_log1p[i]) {
      static constexpr DenseTransform kTransforms[] = {DenseTransform::kLog1p};
      transform_dense(kTransforms, 0, 1, values_.data(), values_.size());
    }
    streams_[i].add(values_);
  }
  return {};
}

// After add_requests(), which found where requests begin.
void PartProfiler::mark_split(const RowSlice& slice) {
  const VectorView& requests = slice.chunk->column(*spec_.request_input);
  in_split_.assign(slice.rows(), 0);
  size_t row = slice.from;
  const auto mark_until = [&](size_t end) {
    for (; row < end; ++row) in_split_[row - slice.from] = kept_ ? 1 : 0;
  };
  for (const uint32_t start : starts_) {
    mark_until(start);
    kept_ = split_.keeps(requests, start);
  }
  mark_until(slice.to);
}

PartFindings PartProfiler::finish() {
  for (MomentStream& stream : streams_) findings_.moments.push_back(stream.take());
  if (current_.chunk != nullptr) {
    findings_.last = request_bytes(current_.chunk->column(*spec_.request_input), current_.from);
  }
  return std::exchange(findings_, {});
}

}  // namespace prerank::ingest
