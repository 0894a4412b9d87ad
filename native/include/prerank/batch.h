// One batch as the program sees it: plain contiguous arrays, in the order of the plan's inputs.
// Filled by a Loader (loader.h) from mapped columns, or by a caller from its own arrays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace prerank {

// Ids of one categorical feature. Single-valued: offsets is empty and bag r is ids[r].
struct BatchIds {
  std::span<const uint32_t> ids;
  std::span<const uint32_t> offsets;  // lists: domain rows + 1, offsets[0] == 0
  std::span<const float> weights;     // empty, or one per id
};

// Every id of one table in this batch, grouped by table row: entry e of distinct row u, for
// starts[u] <= e < starts[u + 1], says that bag bags[e] of id input inputs[e] contains rows[u],
// with coefficients[e] (1, 1/bag length for mean pooling, times the id's weight). Entries of one row keep
// (input, bag, position) order, so sums are the same for any thread count. A table that one id input looks up, without
// weights and mean pooling, has neither inputs nor coefficients: they would be `input` and 1 throughout.
struct BatchTableIndex {
  std::span<const uint32_t> rows;    // distinct, ascending
  std::span<const uint32_t> starts;  // rows.size() + 1
  std::span<const uint32_t> bags;    // row of the id input's domain
  std::span<const uint16_t> inputs;  // index into Plan::id_inputs
  std::span<const float> coefficients;
  uint16_t input = 0;
  std::span<const uint32_t> slots = {};  // where in the table's memory the rows lie; empty: row r is its r-th

  uint16_t input_of(size_t e) const { return inputs.empty() ? input : inputs[e]; }
  float coefficient_of(size_t e) const { return coefficients.empty() ? 1.0f : coefficients[e]; }
};

struct Batch {
  size_t rows = 0;
  size_t requests = 0;                       // 0 when the plan has no request domain
  std::vector<const float*> dense;           // per Plan::dense_inputs: [domain rows, width], contiguous
  std::vector<BatchIds> ids;                 // per Plan::id_inputs; every id already checked against its table
  std::span<const uint32_t> request_of_row;  // ascending; empty when the plan has no request domain
  std::span<const uint32_t> request_offsets; // requests + 1
  std::span<const uint32_t> task_mask;       // bit k: the row trains task k. Empty for prediction
  std::vector<const float*> targets;         // per task [rows]; undefined where the mask bit is 0
  std::vector<double> inv_n;                 // per task: 1 / sum of weights over its rows, 0 without rows
  const float* weight = nullptr;             // row weights, or null for 1
  std::vector<BatchTableIndex> table_index;  // per Plan::tables; empty for prediction
  std::span<const uint32_t> source_row;      // row of the dataset, for error messages; may be empty
};

}  // namespace prerank
