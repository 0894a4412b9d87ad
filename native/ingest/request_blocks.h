// Cuts a part's rows into blocks of whole requests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "ingest/row_block.h"
#include "prerank/status.h"

namespace prerank::ingest {

class RequestBlocks {
 public:
  // Without a request column every row is complete at once.
  explicit RequestBlocks(std::optional<size_t> request_input) : input_(request_input) {}

  // Adds the part's next rows; the block holds the requests that are complete now, perhaps none. It may point into the
  // slice's chunk, while rows that are kept for later are copied.
  Result<RowBlock> add(const RowSlice& slice);
  // Adds rows that are known to belong to the last request; their chunk must last.
  void extend(const RowSlice& slice);
  // The last request.
  RowBlock finish();

 private:
  void keep(const RowSlice& slice, size_t last);

  std::optional<size_t> input_;
  RowBlock open_;     // the last request so far: one start, or no rows
  RowSlice current_;  // a chunk and, in `from`, a row with the last request's value; none before the first value
  std::vector<uint32_t> starts_;
};

// The first requests of a block with at most `rows` rows, or its first rows when it has no requests; the others stay.
RowBlock take_front(RowBlock& block, size_t rows);

// Rows of the first request of a block that is not empty; 1 when it has no requests.
size_t first_request_rows(const RowBlock& block);

}  // namespace prerank::ingest
