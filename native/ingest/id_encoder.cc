#include "ingest/id_encoder.h"

#include <algorithm>
#include <utility>

#include "ingest/id_values.h"
#include "ingest/number_values.h"

namespace prerank::ingest {

void judge_null(NullPolicy policy, size_t row, const IdColumn& column, Verdict& verdict) {
  if (policy == NullPolicy::kDrop) verdict.drop(row);
  else if (policy == NullPolicy::kError && verdict.kept(row))
    verdict.reject(row, column.source, "", column.label + " is null");
}

IdEncoder::IdEncoder(const IdColumn& column, IdMapper& mapper, bool sketched)
    : column_(column), mapper_(&mapper), sketch_(sketched ? std::make_unique<HyperLogLog>() : nullptr) {}

Status IdEncoder::judge(const RowBlock& block, Verdict& verdict) {
  size_t base = 0;
  for (const RowSlice& slice : block.slices) {
    const VectorView& view = slice.chunk->column(column_.input);
    PRERANK_RETURN_IF_ERROR(check_id_type(view.type, mapper_->type(), column_.label));
    if (column_.nulls != NullPolicy::kDefault && has_nulls(view, slice.from, slice.rows())) {
      for (size_t i = 0; i < slice.rows(); ++i) {
        if (!view.valid(slice.from + i)) judge_null(column_.nulls, base + i, column_, verdict);
      }
    }
    base += slice.rows();
  }
  return {};
}

Status IdEncoder::append(const KeptRows& kept) {
  PRERANK_ASSIGN_OR_RETURN(uint32_t* const added, rows_.reserve(kept.count()));
  for (const KeptSlice& slice : kept.slices()) {
    PRERANK_RETURN_IF_ERROR(map(slice.column(column_.input), added + slice.position));
  }
  rows_.extend(kept.count());
  if (column_.of_request && statistics_.constant) statistics_.constant = same_in_requests(added, kept.continues());
  return {};
}

Status IdEncoder::map(const Elements& elements, uint32_t* rows) {
  const uint64_t* const validity = elements.view->validity;
  valid_.resize(std::max(valid_.size(), elements.count));
  if (validity != nullptr && expand_validity(elements, valid_.data()) > 0) return map_with_nulls(elements, rows);
  PRERANK_RETURN_IF_ERROR(mapper_->map(elements, rows, sketch_.get()));
  statistics_.ids += elements.count;
  if (mapper_->fixed_vocabulary()) {
    statistics_.out_of_vocabulary += static_cast<uint64_t>(std::count(rows, rows + elements.count, 0u));
  }
  return {};
}

Status IdEncoder::map_with_nulls(const Elements& elements, uint32_t* rows) {
  present_.clear();
  for (size_t i = 0; i < elements.count; ++i) {
    if (valid_[i] != 0) present_.push_back(static_cast<uint32_t>(elements.row(i)));
  }
  mapped_.resize(std::max(mapped_.size(), present_.size()));
  const Elements present{elements.view, 0, present_.data(), present_.size()};
  PRERANK_RETURN_IF_ERROR(mapper_->map(present, mapped_.data(), sketch_.get()));
  const uint32_t* next = mapped_.data();
  for (size_t i = 0; i < elements.count; ++i) rows[i] = valid_[i] != 0 ? *next++ : mapper_->null_row();
  const size_t nulls = elements.count - present_.size();
  statistics_.ids += present_.size();
  statistics_.nulls += nulls;
  statistics_.empty += nulls;
  if (mapper_->fixed_vocabulary()) {
    statistics_.out_of_vocabulary +=
        static_cast<uint64_t>(std::count(mapped_.data(), mapped_.data() + present_.size(), 0u));
  }
  return {};
}

IdStatistics IdEncoder::take_statistics() {
  statistics_.longest = statistics_.ids > 0 ? 1 : 0;
  return std::exchange(statistics_, {});
}

}  // namespace prerank::ingest
