// Where the rows of a batch lie in the chunks of a dataset.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/grow_buffer.h"
#include "prerank/dataset.h"

namespace prerank {

// The rows a column is gathered from, in batch order: row i is row `local[i]` of chunk `chunk[i]`, row `source[i]` of
// the dataset.
struct RowSet {
  std::span<const uint32_t> source;
  std::span<const uint32_t> chunk;
  std::span<const uint32_t> local;
  bool contiguous = false;  // one run of rows of one chunk

  size_t size() const { return source.size(); }
};

// Memory of a RowSet.
class RowSetBuffer {
 public:
  Status reserve(size_t rows) {
    PRERANK_RETURN_IF_ERROR(source_.reserve(rows));
    PRERANK_RETURN_IF_ERROR(chunk_.reserve(rows));
    return local_.reserve(rows);
  }
  std::span<uint32_t> source(size_t rows) const { return source_.first(rows); }
  std::span<uint32_t> chunk(size_t rows) const { return chunk_.first(rows); }
  std::span<uint32_t> local(size_t rows) const { return local_.first(rows); }

 private:
  GrowBuffer<uint32_t> source_, chunk_, local_;
};

// Finds rows in the chunks that all columns of a dataset share: a table over equal ranges of rows gives the chunks that
// a range begins in and ends in, one or two of them unless chunks are far smaller than usual.
class RowLocator {
 public:
  RowLocator() = default;
  explicit RowLocator(std::span<const Column> columns) {
    if (columns.empty()) return;
    const auto& chunks = columns.front().chunks;
    size_t rows = 0;
    for (const ColumnChunk& chunk : chunks) {
      starts_.push_back(static_cast<uint32_t>(rows));
      rows += chunk.rows;
      ends_.push_back(static_cast<uint32_t>(rows));
    }
    if (rows == 0) return;
    while (rows >> shift_ > kRangesPerChunk * chunks.size()) ++shift_;
    uint32_t chunk = 0;
    for (size_t row = 0; row < rows; row += size_t{1} << shift_) {
      while (ends_[chunk] <= row) ++chunk;
      first_.push_back(chunk);
    }
    first_.push_back(static_cast<uint32_t>(chunks.size() - 1));
  }

  size_t chunks() const { return starts_.size(); }

  // Fills chunk and local for the rows in `buffer.source(rows)`, all below the dataset's row count.
  RowSet locate(const RowSetBuffer& buffer, size_t rows) const {
    const auto source = buffer.source(rows), chunk = buffer.chunk(rows), local = buffer.local(rows);
    bool contiguous = true;
    for (size_t i = 0; i < rows; ++i) {
      const uint32_t row = source[i];
      chunk[i] = find(row);
      local[i] = row - starts_[chunk[i]];
      contiguous = contiguous && row == source[0] + i && chunk[i] == chunk[0];
    }
    return {source, chunk, local, contiguous};
  }

 private:
  static constexpr size_t kRangesPerChunk = 4;

  uint32_t find(uint32_t row) const {
    const size_t range = row >> shift_;
    const auto from = ends_.begin() + first_[range], to = ends_.begin() + first_[range + 1];
    return static_cast<uint32_t>(std::upper_bound(from, to, row) - ends_.begin());
  }

  std::vector<uint32_t> starts_, ends_;  // of the chunks
  std::vector<uint32_t> first_;          // chunk of each range's first row, and the last chunk
  uint32_t shift_ = 0;                   // a range is 2^shift_ rows
};

}  // namespace prerank
