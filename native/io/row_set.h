// Where the rows of a batch lie in the chunks of a dataset.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "io/grow_buffer.h"
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

// Finds rows in the chunks that all columns of a dataset share.
class RowLocator {
 public:
  RowLocator() = default;
  explicit RowLocator(std::span<const Column> columns) {
    if (columns.empty()) return;
    for (const ColumnChunk& chunk : columns.front().chunks) {
      starts_.push_back(rows_);
      rows_ += chunk.rows;
    }
    const auto& chunks = columns.front().chunks;
    even_ = chunks.empty() ? 0 : chunks.front().rows;
    for (size_t k = 0; k < chunks.size(); ++k) {
      const bool last = k + 1 == chunks.size();
      if (last ? chunks[k].rows > even_ : chunks[k].rows != even_) even_ = 0;
    }
  }

  // Fills chunk and local for the rows in `buffer.source(rows)`, all below the dataset's row count.
  RowSet locate(const RowSetBuffer& buffer, size_t rows) const {
    const auto source = buffer.source(rows), chunk = buffer.chunk(rows), local = buffer.local(rows);
    bool contiguous = true;
    for (size_t i = 0; i < rows; ++i) {
      const uint32_t row = source[i];
      chunk[i] = find(row);
      local[i] = static_cast<uint32_t>(row - starts_[chunk[i]]);
      contiguous = contiguous && row == source[0] + i && chunk[i] == chunk[0];
    }
    return {source, chunk, local, contiguous};
  }

 private:
  uint32_t find(uint32_t row) const {
    if (even_ != 0) return static_cast<uint32_t>(row / even_);
    return static_cast<uint32_t>(std::upper_bound(starts_.begin(), starts_.end(), size_t{row}) - starts_.begin() - 1);
  }

  std::vector<size_t> starts_;
  size_t rows_ = 0;
  size_t even_ = 0;  // rows of every chunk but a shorter last one; 0 when they differ
};

}  // namespace prerank
