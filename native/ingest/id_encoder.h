// A single-valued id feature.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "ingest/batch_encoder.h"
#include "ingest/hyperloglog.h"
#include "ingest/id_mapper.h"
#include "ingest/kept_rows.h"
#include "ingest/output_buffer.h"
#include "ingest/statistics.h"
#include "ingest/verdict.h"
#include "prerank/ingest.h"
#include "prerank/status.h"

namespace prerank::ingest {

class IdEncoder {
 public:
  // `mapper` belongs to the feature's table and outlives the encoder. `sketched`: whether to estimate the distinct
  // values.
  IdEncoder(const IdColumn& column, IdMapper& mapper, bool sketched);

  // kInvalidArgument when the input has another type than the table.
  Status judge(const RowBlock& block, Verdict& verdict);
  Status append(const KeptRows& kept);

  ColumnData data() const { return {rows_.data(), rows_.size(), nullptr}; }
  size_t bytes() const { return rows_.bytes(); }
  void clear() { rows_.clear(); }
  IdStatistics take_statistics();
  // Of all values so far; null unless sketched.
  std::unique_ptr<HyperLogLog> take_sketch() { return std::move(sketch_); }

 private:
  Status map(const Elements& elements, uint32_t* rows);
  Status map_with_nulls(const Elements& elements, uint32_t* rows);

  IdColumn column_;
  IdMapper* mapper_;
  std::unique_ptr<HyperLogLog> sketch_;
  OutputBuffer<uint32_t> rows_;
  IdStatistics statistics_;
  std::vector<uint8_t> valid_;
  std::vector<uint32_t> present_;  // rows of the chunk that are no nulls
  std::vector<uint32_t> mapped_;
};

// What becomes of a row whose value is null.
void judge_null(NullPolicy policy, size_t row, const IdColumn& column, Verdict& verdict);

}  // namespace prerank::ingest
