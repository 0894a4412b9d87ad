#include "ingest/id_list_encoder.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ingest/number_values.h"
#include "ingest/verdict_text.h"

namespace prerank::ingest {
namespace {

constexpr int32_t kNoLists = 0;  // the offsets of an empty batch
constexpr size_t kMostElements = std::numeric_limits<int32_t>::max();

size_t list_length(const VectorView& lists, size_t row) { return lists.valid(row) ? lists.list(row).length : 0; }

bool all_finite(const VectorView& numbers, size_t from, size_t count) {
  int bad = 0;
  with_numbers(numbers, [&](const auto* values) {
    for (size_t i = from; i < from + count; ++i) bad |= !std::isfinite(static_cast<float>(values[i]));
  });
  return bad == 0;
}

bool good_weights(const VectorView& numbers, size_t from, size_t count) {
  return !has_nulls(numbers, from, count) && all_finite(numbers, from, count);
}

}  // namespace

IdListEncoder::IdListEncoder(const IdColumn& column, IdMapper& mapper, bool sketched)
    : column_(column), mapper_(&mapper), sketch_(sketched ? std::make_unique<HyperLogLog>() : nullptr) {}

Status IdListEncoder::judge_types(const VectorView& lists, const VectorView* weights) const {
  if (lists.type != Physical::kList || lists.child == nullptr) {
    return {Code::kInvalidArgument, column_.label + ": the query gives no lists"};
  }
  PRERANK_RETURN_IF_ERROR(check_id_type(lists.child->type, mapper_->type(), column_.label));
  if (weights == nullptr) return {};
  if (weights->type == Physical::kList && weights->child != nullptr && is_number(weights->child->type)) return {};
  return {Code::kInvalidArgument, column_.label + ": the query gives weights that are no lists of numbers"};
}

Status IdListEncoder::judge(const RowBlock& block, Verdict& verdict) {
  size_t base = 0;
  for (const RowSlice& slice : block.slices) {
    const VectorView& lists = slice.chunk->column(column_.input);
    const VectorView* const weights =
        column_.weights_input.has_value() ? &slice.chunk->column(*column_.weights_input) : nullptr;
    PRERANK_RETURN_IF_ERROR(judge_types(lists, weights));
    PRERANK_RETURN_IF_ERROR(judge_lists(lists, slice, base, verdict));
    if (weights != nullptr) PRERANK_RETURN_IF_ERROR(judge_weights(lists, *weights, slice, base, verdict));
    base += slice.rows();
  }
  return {};
}

Status IdListEncoder::judge_lists(const VectorView& lists, const RowSlice& slice, size_t base, Verdict& verdict) {
  if (column_.nulls != NullPolicy::kDefault && has_nulls(lists, slice.from, slice.rows())) {
    for (size_t i = 0; i < slice.rows(); ++i) {
      if (!lists.valid(slice.from + i)) judge_null(column_.nulls, base + i, column_, verdict);
    }
  }
  const VectorView& child = *lists.child;
  if (child.validity == nullptr) return {};
  lengths_.clear();
  runs_.clear();
  PRERANK_RETURN_IF_ERROR(list_runs({&lists, slice.from, nullptr, slice.rows()}, lengths_, runs_));
  const bool clean = std::none_of(runs_.begin(), runs_.end(),
                                  [&child](const ListRun& run) { return has_nulls(child, run.from, run.count); });
  for (size_t i = 0; !clean && i < slice.rows(); ++i) {
    const size_t row = slice.from + i;
    if (lengths_[i] == 0 || !verdict.kept(base + i) || !has_nulls(child, lists.list(row).offset, lengths_[i])) continue;
    verdict.reject(base + i, column_.source, reject_text(lists, row), column_.label + " has a null in its list");
  }
  return {};
}

Status IdListEncoder::judge_weights(const VectorView& lists, const VectorView& weights, const RowSlice& slice,
                                    size_t base, Verdict& verdict) {
  lengths_.clear();
  runs_.clear();
  PRERANK_RETURN_IF_ERROR(list_runs({&weights, slice.from, nullptr, slice.rows()}, lengths_, runs_));
  const VectorView& child = *weights.child;
  const bool clean = std::all_of(runs_.begin(), runs_.end(),
                                 [&child](const ListRun& run) { return good_weights(child, run.from, run.count); });
  for (size_t i = 0; i < slice.rows(); ++i) {
    const size_t row = slice.from + i;
    const bool as_many = lengths_[i] == list_length(lists, row);
    if (as_many && (clean || lengths_[i] == 0 || good_weights(child, weights.list(row).offset, lengths_[i]))) continue;
    if (!verdict.kept(base + i)) continue;
    const char* const reason = as_many ? " has a weight that is no finite number" : " has not as many weights as ids";
    verdict.reject(base + i, column_.source, reject_text(weights, row), column_.label + reason);
  }
  return {};
}

Status IdListEncoder::append(const KeptRows& kept) {
  PRERANK_ASSIGN_OR_RETURN(int32_t* const first, ends_.reserve(kept.count() + 1));
  if (ends_.size() == 0) {
    *first = 0;
    ends_.extend(1);
  }
  const size_t first_row = ends_.size() - 1;
  for (const KeptSlice& slice : kept.slices()) PRERANK_RETURN_IF_ERROR(append_slice(slice));
  if (column_.of_request && statistics_.constant) watch_requests(kept, first_row);
  return {};
}

Status IdListEncoder::append_slice(const KeptSlice& slice) {
  const Elements lists = slice.column(column_.input);
  lengths_.clear();
  runs_.clear();
  PRERANK_RETURN_IF_ERROR(list_runs(lists, lengths_, runs_));
  size_t elements = 0;
  for (const ListRun& run : runs_) elements += run.count;
  if (elements > kMostElements - ids_.size()) {
    return {Code::kOutOfRange, column_.label + ": a record batch holds more than 2^31 - 1 ids"};
  }
  PRERANK_ASSIGN_OR_RETURN(int32_t* const ends, ends_.reserve(slice.count));
  auto end = static_cast<uint32_t>(ids_.size());
  uint32_t longest = 0;
  size_t empty = 0;
  for (size_t i = 0; i < slice.count; ++i) {
    const uint32_t length = lengths_[i];
    end += length;
    ends[i] = static_cast<int32_t>(end);
    longest = std::max(longest, length);
    empty += length == 0;
  }
  ends_.extend(slice.count);
  PRERANK_ASSIGN_OR_RETURN(uint32_t* const ids, ids_.reserve(elements));
  uint32_t* next = ids;
  for (const ListRun& run : runs_) {
    const Elements present{lists.view->child.get(), run.from, nullptr, run.count};
    PRERANK_RETURN_IF_ERROR(mapper_->map(present, next, sketch_.get()));
    next += run.count;
  }
  ids_.extend(elements);
  statistics_.ids += elements;
  statistics_.empty += empty;
  statistics_.longest = std::max<uint64_t>(statistics_.longest, longest);
  if (lists.view->validity != nullptr) {
    for (size_t i = 0; i < slice.count; ++i) statistics_.nulls += !lists.view->valid(lists.row(i));
  }
  if (mapper_->fixed_vocabulary()) {
    statistics_.out_of_vocabulary += static_cast<uint64_t>(std::count(ids, ids + elements, 0u));
  }
  if (!column_.weights_input.has_value()) return {};
  return append_weights(slice.column(*column_.weights_input), elements);
}

Status IdListEncoder::append_weights(const Elements& lists, size_t elements) {
  lengths_.clear();
  runs_.clear();
  PRERANK_RETURN_IF_ERROR(list_runs(lists, lengths_, runs_));
  PRERANK_ASSIGN_OR_RETURN(float* const weights, weights_.reserve(elements));
  float* next = weights;
  for (const ListRun& run : runs_) {
    with_numbers(*lists.view->child, [&](const auto* values) {
      for (size_t i = 0; i < run.count; ++i) next[i] = static_cast<float>(values[run.from + i]);
    });
    next += run.count;
  }
  weights_.extend(elements);
  return {};
}

// Whether every list that continues a request equals the list before it, its weights too.
void IdListEncoder::watch_requests(const KeptRows& kept, size_t first_row) {
  const int32_t* const ends = ends_.data();
  for (size_t i = 1; i < kept.continues().size() && statistics_.constant; ++i) {
    if (kept.continues()[i] == 0) continue;
    const size_t row = first_row + i;
    const auto before = static_cast<size_t>(ends[row - 1]), begin = static_cast<size_t>(ends[row]);
    const auto length = static_cast<size_t>(ends[row + 1]) - begin;
    statistics_.constant = begin - before == length &&
                           std::equal(ids_.data() + before, ids_.data() + begin, ids_.data() + begin) &&
                           (weights_.size() == 0 ||
                            std::equal(weights_.data() + before, weights_.data() + begin, weights_.data() + begin));
  }
}

const int32_t* IdListEncoder::offsets() const { return ends_.size() == 0 ? &kNoLists : ends_.data(); }

void IdListEncoder::clear() {
  ends_.clear();
  ids_.clear();
  weights_.clear();
}

IdStatistics IdListEncoder::take_statistics() { return std::exchange(statistics_, {}); }

}  // namespace prerank::ingest
