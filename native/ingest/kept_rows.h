// The rows of a block that are appended to the open batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ingest/row_block.h"
#include "ingest/verdict.h"

namespace prerank::ingest {

// Elements of a vector: view[rows[0]], view[rows[1]], …, or view[from], view[from + 1], … when `rows` is null.
struct Elements {
  const VectorView* view = nullptr;
  size_t from = 0;
  const uint32_t* rows = nullptr;
  size_t count = 0;

  size_t row(size_t i) const { return rows == nullptr ? from + i : rows[i]; }
};

// Where row `row` of a block lies.
struct BlockRow {
  const Chunk* chunk = nullptr;
  size_t row = 0;
  std::string_view origin = {};
};
BlockRow locate(const RowBlock& block, size_t row);

// The kept rows of one slice.
struct KeptSlice {
  const Chunk* chunk = nullptr;
  size_t from = 0;                 // row of the chunk, when `rows` is null
  const uint32_t* rows = nullptr;  // rows of the chunk, ascending
  size_t count = 0;
  size_t position = 0;  // of the first among the block's kept rows

  Elements column(size_t index) const { return {&chunk->column(index), from, rows, count}; }
};

class KeptRows {
 public:
  void assign(const RowBlock& block, const Verdict& verdict);

  size_t count() const { return count_; }
  bool all() const { return all_; }
  std::span<const KeptSlice> slices() const { return slices_; }
  // Rows of the block, ascending; empty when all are kept.
  std::span<const uint32_t> block_rows() const { return block_rows_; }
  // Per kept row: 1 when it belongs to the request of the kept row before it. Empty without requests.
  std::span<const uint8_t> continues() const { return continues_; }
  size_t requests() const { return requests_; }

 private:
  void select(const RowBlock& block, const Verdict& verdict);
  void mark_requests(const RowBlock& block);

  size_t count_ = 0;
  size_t requests_ = 0;
  bool all_ = true;
  std::vector<KeptSlice> slices_;
  std::vector<uint32_t> block_rows_;
  std::vector<uint32_t> chunk_rows_;
  std::vector<uint8_t> continues_;
};

}  // namespace prerank::ingest
