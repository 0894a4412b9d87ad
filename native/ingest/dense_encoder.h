// A dense feature: transforms in float64, then float32. Null under the default policy is 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ingest/batch_encoder.h"
#include "ingest/kept_rows.h"
#include "ingest/output_buffer.h"
#include "ingest/statistics.h"
#include "ingest/statistics_moments.h"
#include "ingest/verdict.h"
#include "prerank/ingest.h"
#include "prerank/status.h"

namespace prerank::ingest {

class DenseEncoder {
 public:
  explicit DenseEncoder(const DenseColumn& column) : column_(column) {}

  // Writes all rows of the block behind the open batch and judges them. kInvalidArgument when the input is no number.
  Status judge(const RowBlock& block, Verdict& verdict);
  // Adds the kept rows to the batch and to the statistics.
  void append(const KeptRows& kept);

  ColumnData data() const { return {values_.data(), values_.size(), nullptr}; }
  size_t bytes() const { return values_.bytes(); }
  void clear() { values_.clear(); }
  NumberStatistics take_statistics();

 private:
  void judge_rows(const RowSlice& slice, size_t base, Verdict& verdict);
  void count(const Elements& elements);

  DenseColumn column_;
  OutputBuffer<float> values_;
  MomentStream moments_;
  uint64_t nulls_ = 0;
  bool constant_ = true;
  std::vector<double> work_;
  std::vector<uint8_t> valid_;
};

}  // namespace prerank::ingest
