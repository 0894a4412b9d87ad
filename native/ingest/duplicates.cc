#include "ingest/duplicates.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "base/xxhash.h"
#include "ingest/id_values.h"
#include "ingest/number_values.h"
#include "ingest/verdict_text.h"

namespace prerank::ingest {

DuplicateFilter::DuplicateFilter(const IngestSpec& spec)
    : active_(spec.request_input.has_value() && spec.ad_input.has_value()),
      policy_(spec.duplicates),
      ad_input_(spec.ad_input.value_or(0)),
      row_input_(spec.row_input),
      origin_input_(spec.origin_input) {}

Status DuplicateFilter::read_keys(const RowBlock& block, const Verdict& verdict) {
  keys_.resize(block.rows);
  looked_at_.resize(block.rows);
  size_t base = 0;
  for (const RowSlice& slice : block.slices) {
    const VectorView& view = slice.chunk->column(ad_input_);
    texts_ = view.type == Physical::kString;
    PRERANK_RETURN_IF_ERROR(check_id_type(view.type, texts_ ? ValueType::kString : ValueType::kInt, "ad"));
    if (texts_) strings_.resize(block.rows);
    const bool nulls = has_nulls(view, slice.from, slice.rows());
    for (size_t i = 0; i < slice.rows(); ++i) {
      looked_at_[base + i] = verdict.kept(base + i) && (!nulls || view.valid(slice.from + i));
    }
    if (texts_) {
      for (size_t i = 0; i < slice.rows(); ++i) {
        if (looked_at_[base + i] == 0) continue;
        strings_[base + i] = view.text(slice.from + i);
        keys_[base + i] = xxh64(strings_[base + i].data(), strings_[base + i].size());
      }
    } else {
      with_numbers(view, [&](const auto* values) {
        for (size_t i = 0; i < slice.rows(); ++i) keys_[base + i] = static_cast<uint64_t>(values[slice.from + i]);
      });
    }
    base += slice.rows();
  }
  return {};
}

bool DuplicateFilter::same(size_t a, size_t b) const {
  return keys_[a] == keys_[b] && (!texts_ || strings_[a] == strings_[b]);
}

// Empties the table by taking the next stamp, and has it at most half full.
void DuplicateFilter::start_request(size_t rows) {
  if (rows * 2 > places_.size()) {
    places_.assign(std::bit_ceil(rows * 2), {});
    stamp_ = 0;
  }
  if (++stamp_ == 0) {
    std::fill(places_.begin(), places_.end(), Place{});
    stamp_ = 1;
  }
}

Result<uint64_t> DuplicateFilter::judge(const RowBlock& block, Verdict& verdict) {
  PRERANK_RETURN_IF_ERROR(read_keys(block, verdict));
  uint64_t found = 0;
  for (size_t group = 0; group < block.request_starts.size(); ++group) {
    const size_t begin = block.request_starts[group];
    const size_t end = group + 1 < block.request_starts.size() ? block.request_starts[group + 1] : block.rows;
    start_request(std::max<size_t>(end - begin, 2));
    const size_t mask = places_.size() - 1;
    for (size_t row = begin; row < end; ++row) {
      if (looked_at_[row] == 0) continue;
      size_t at = ((keys_[row] * 0x9E3779B97F4A7C15u) >> 32) & mask;
      while (places_[at].stamp == stamp_ && !same(places_[at].row, row)) at = (at + 1) & mask;
      if (places_[at].stamp != stamp_) {
        places_[at] = {stamp_, static_cast<uint32_t>(row)};
        continue;
      }
      ++found;
      if (policy_ != DuplicatePolicy::kKeep) judge_duplicate(block, row, places_[at].row, verdict);
    }
  }
  return found;
}

void DuplicateFilter::judge_duplicate(const RowBlock& block, size_t row, size_t first, Verdict& verdict) const {
  if (policy_ == DuplicatePolicy::kDrop) {
    verdict.drop_duplicate(row);
    return;
  }
  const BlockRow original = locate(block, first);
  const BlockRow copy = locate(block, row);
  std::string reason = "duplicate of row ";
  reason += std::to_string(row_number(original.chunk->column(row_input_), original.row));
  const std::string file = file_of(original, origin_input_);
  if (file != file_of(copy, origin_input_)) reason += " of " + file;
  verdict.reject(row, "ad", reject_text(copy.chunk->column(ad_input_), copy.row), std::move(reason));
}

}  // namespace prerank::ingest
