// The table index of a batch (BatchTableIndex): ids of one table, grouped by row by a stable radix sort.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/grow_buffer.h"
#include "prerank/loader.h"

namespace prerank {

// The id inputs that look up one table, in the order of the batch's id inputs.
struct TableInputs {
  struct Input {
    uint16_t input = 0;
    bool multi = false;
    Pooling pooling = Pooling::kSum;
  };
  int64_t rows = 0;
  std::vector<Input> inputs;
};

// Groups id inputs by table. kInvalidArgument for a table that does not exist or too many inputs.
Result<std::vector<TableInputs>> group_by_table(std::span<const int64_t> table_rows, std::span<const IdSource> ids);

// Working memory of one thread; its contents mean nothing between calls.
struct TableIndexScratch {
  GrowBuffer<uint64_t> keys;  // table row << 32 | entry
  GrowBuffer<uint64_t> sorted;
  GrowBuffer<uint32_t> narrow_keys;  // table row << bits of a bag | bag
  GrowBuffer<uint32_t> narrow_sorted;
  GrowBuffer<uint32_t> bags;  // per entry in (input, bag, position) order
  GrowBuffer<uint16_t> inputs;
  GrowBuffer<float> coefficients;
};

struct TableIndexBuffers {
  GrowBuffer<uint32_t> rows;
  GrowBuffer<uint32_t> starts;
  GrowBuffer<uint32_t> bags;
  GrowBuffer<uint16_t> inputs;
  GrowBuffer<float> coefficients;
};

// Indexes one table of a batch whose ids are all below table.rows. The result points into `buffers`.
Result<BatchTableIndex> build_table_index(const TableInputs& table, std::span<const BatchIds> ids,
                                          TableIndexScratch& scratch, TableIndexBuffers& buffers);

}  // namespace prerank
