#include "ingest/kept_rows.h"

namespace prerank::ingest {

BlockRow locate(const RowBlock& block, size_t row) {
  for (const RowSlice& slice : block.slices) {
    if (row < slice.rows()) return {slice.chunk.get(), slice.from + row, slice.origin};
    row -= slice.rows();
  }
  return {};
}

void KeptRows::assign(const RowBlock& block, const Verdict& verdict) {
  count_ = verdict.kept_rows();
  all_ = verdict.all_kept();
  slices_.clear();
  block_rows_.clear();
  chunk_rows_.clear();
  if (all_) {
    size_t position = 0;
    for (const RowSlice& slice : block.slices) {
      slices_.push_back({slice.chunk.get(), slice.from, nullptr, slice.rows(), position});
      position += slice.rows();
    }
  } else {
    select(block, verdict);
  }
  mark_requests(block);
}

void KeptRows::select(const RowBlock& block, const Verdict& verdict) {
  block_rows_.reserve(count_);
  chunk_rows_.reserve(count_);  // no growth below: the slices point into it
  size_t base = 0;
  for (const RowSlice& slice : block.slices) {
    const size_t position = chunk_rows_.size();
    for (size_t row = slice.from; row < slice.to; ++row) {
      const size_t block_row = base + (row - slice.from);
      if (!verdict.kept(block_row)) continue;
      block_rows_.push_back(static_cast<uint32_t>(block_row));
      chunk_rows_.push_back(static_cast<uint32_t>(row));
    }
    const size_t kept = chunk_rows_.size() - position;
    if (kept > 0) slices_.push_back({slice.chunk.get(), 0, chunk_rows_.data() + position, kept, position});
    base += slice.rows();
  }
}

void KeptRows::mark_requests(const RowBlock& block) {
  requests_ = 0;
  continues_.clear();
  if (block.request_starts.empty()) return;
  continues_.assign(count_, 1);
  const size_t groups = block.request_starts.size();
  size_t kept = 0;
  for (size_t group = 0; group < groups && kept < count_; ++group) {
    const size_t end = group + 1 < groups ? block.request_starts[group + 1] : block.rows;
    const size_t first = kept;
    if (all_) kept = end;
    else while (kept < count_ && block_rows_[kept] < end) ++kept;
    if (kept == first) continue;
    continues_[first] = 0;
    ++requests_;
  }
}

}  // namespace prerank::ingest
