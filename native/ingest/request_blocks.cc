#include "ingest/request_blocks.h"

#include <algorithm>
#include <utility>

#include "ingest/request_key.h"
#include "ingest/row_copy.h"

namespace prerank::ingest {
namespace {

void append(RowBlock& block, const RowSlice& slice) {
  if (slice.rows() == 0) return;
  block.slices.push_back(slice);
  block.rows += slice.rows();
}

}  // namespace

Result<RowBlock> RequestBlocks::add(const RowSlice& slice) {
  RowBlock complete;
  if (!input_) {
    append(complete, slice);
    return complete;
  }
  const VectorView& column = slice.chunk->column(*input_);
  PRERANK_RETURN_IF_ERROR(check_request_column(column));
  starts_.clear();
  size_t last = slice.to;
  find_request_starts(column, slice.from, slice.to,
                      current_.chunk == nullptr ? nullptr : &current_.chunk->column(*input_), current_.from, starts_,
                      last);
  // Rows before the first value of the log are a request of their own.
  if (open_.rows == 0 && (starts_.empty() || starts_.front() > slice.from)) {
    starts_.insert(starts_.begin(), static_cast<uint32_t>(slice.from));
  }
  if (starts_.empty()) {
    keep(slice, last);
    return complete;
  }
  complete = std::exchange(open_, {});
  const size_t before = complete.rows;
  const size_t final_start = starts_.back();
  for (const uint32_t start : starts_) {
    if (start < final_start) complete.request_starts.push_back(static_cast<uint32_t>(before + start - slice.from));
  }
  append(complete, {slice.chunk, slice.from, final_start, slice.origin});
  keep({slice.chunk, final_start, slice.to, slice.origin}, last);
  open_.request_starts = {0};
  return complete;
}

// Copies rows to the end of the last request. `last`: the last of them that is not null, or none of them.
void RequestBlocks::keep(const RowSlice& slice, size_t last) {
  const RowSlice kept = copy_rows(slice);
  append(open_, kept);
  if (last < slice.to) current_ = {kept.chunk, last - slice.from, kept.to, kept.origin};
}

void RequestBlocks::extend(const RowSlice& slice) { append(open_, slice); }

RowBlock RequestBlocks::finish() { return std::exchange(open_, {}); }

RowBlock take_front(RowBlock& block, size_t rows) {
  if (block.rows <= rows) return std::exchange(block, {});
  RowBlock front;
  auto& starts = block.request_starts;
  if (!starts.empty()) {
    const auto past = std::upper_bound(starts.begin(), starts.end(), rows);
    rows = *(past - 1);
    const auto kept = past - 1;  // the first request that stays
    front.request_starts.assign(starts.begin(), kept);
    std::vector<uint32_t> rest(kept, starts.end());
    for (uint32_t& start : rest) start -= static_cast<uint32_t>(rows);
    starts = std::move(rest);
  }
  size_t slice = 0;
  while (front.rows < rows) {
    RowSlice& next = block.slices[slice];
    const size_t taken = std::min(rows - front.rows, next.rows());
    append(front, {next.chunk, next.from, next.from + taken, next.origin});
    next.from += taken;
    if (next.rows() == 0) ++slice;
  }
  block.slices.erase(block.slices.begin(), block.slices.begin() + static_cast<std::ptrdiff_t>(slice));
  block.rows -= rows;
  return front;
}

size_t first_request_rows(const RowBlock& block) {
  if (block.request_starts.empty()) return 1;
  return block.request_starts.size() > 1 ? block.request_starts[1] : block.rows;
}

}  // namespace prerank::ingest
