#include "ingest/dense_encoder.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "ingest/dense_transform.h"
#include "ingest/number_values.h"
#include "ingest/verdict_text.h"

namespace prerank::ingest {
namespace {

bool all_fit(const double* values, size_t count) {
  int bad = 0;
  for (size_t i = 0; i < count; ++i) bad |= !(std::fabs(values[i]) <= kLargestFloat);
  return bad == 0;
}

}  // namespace

Status DenseEncoder::judge(const RowBlock& block, Verdict& verdict) {
  PRERANK_ASSIGN_OR_RETURN(float* const out, values_.reserve(block.rows));
  size_t base = 0;
  for (const RowSlice& slice : block.slices) {
    const VectorView& view = slice.chunk->column(column_.input);
    if (!is_number(view.type)) return {Code::kInvalidArgument, column_.label + " is no number"};
    const Elements elements{&view, slice.from, nullptr, slice.rows()};
    const size_t rows = elements.count;
    work_.resize(std::max(work_.size(), rows));
    double* const work = work_.data();
    read_doubles(elements, work);
    const bool nulls = has_nulls(view, slice.from, rows);
    if (nulls) {
      valid_.resize(std::max(valid_.size(), rows));
      expand_validity(elements, valid_.data());
    }
    transform_dense(column_.transforms, column_.mean, column_.deviation, work, rows);
    if (nulls) {
      for (size_t i = 0; i < rows; ++i) work[i] = valid_[i] != 0 ? work[i] : 0;
    }
    if (!all_fit(work, rows) || (nulls && column_.nulls != NullPolicy::kDefault)) judge_rows(slice, base, verdict);
    for (size_t i = 0; i < rows; ++i) out[base + i] = static_cast<float>(work[i]);
    base += rows;
  }
  return {};
}

// Every row of a slice that holds a bad value.
void DenseEncoder::judge_rows(const RowSlice& slice, size_t base, Verdict& verdict) {
  const VectorView& view = slice.chunk->column(column_.input);
  for (size_t i = 0; i < slice.rows(); ++i) {
    if (!verdict.kept(base + i)) continue;
    const size_t row = slice.from + i;
    if (!view.valid(row)) {
      if (column_.nulls == NullPolicy::kDrop) verdict.drop(base + i);
      else if (column_.nulls == NullPolicy::kError)
        verdict.reject(base + i, column_.source, "", column_.label + " is null");
      continue;
    }
    if (std::fabs(work_[i]) <= kLargestFloat) continue;
    double raw = 0;
    read_doubles({&view, row, nullptr, 1}, &raw);
    std::string reason = column_.label;
    if (std::isfinite(raw)) {
      reason += " is too large for float32";
    } else {
      reason += " is ";
      append_number(raw, reason);
    }
    verdict.reject(base + i, column_.source, reject_text(view, row), std::move(reason));
  }
}

void DenseEncoder::append(const KeptRows& kept) {
  const float* const added = values_.data() + values_.size();
  if (kept.all()) values_.extend(kept.count());
  else values_.extend_by(kept.block_rows());
  if (column_.of_request && constant_) constant_ = same_in_requests(added, kept.continues());
  for (const KeptSlice& slice : kept.slices()) count(slice.column(column_.input));
}

// Adds raw values to the moments.
void DenseEncoder::count(const Elements& elements) {
  valid_.resize(std::max(valid_.size(), elements.count));
  const size_t nulls = elements.view->validity == nullptr ? 0 : expand_validity(elements, valid_.data());
  if (nulls > 0) {
    nulls_ += nulls;
    work_.resize(std::max(work_.size(), elements.count));
    read_doubles(elements, work_.data());
    size_t present = 0;
    for (size_t i = 0; i < elements.count; ++i) {
      work_[present] = work_[i];
      present += valid_[i];
    }
    moments_.add({work_.data(), present});
    return;
  }
  Elements left = elements;
  while (left.count > 0) {
    const size_t count = std::min(left.count, moments_.room());
    read_doubles({left.view, left.from, left.rows, count}, moments_.next());
    moments_.added(count);
    left.count -= count;
    if (left.rows == nullptr) left.from += count;
    else left.rows += count;
  }
}

NumberStatistics DenseEncoder::take_statistics() {
  return {std::exchange(nulls_, 0), moments_.take(), std::exchange(constant_, true)};
}

}  // namespace prerank::ingest
