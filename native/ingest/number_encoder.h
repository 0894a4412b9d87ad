// Roles and labels: numbers that obey a rule, written as float32 or uint8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ingest/batch_encoder.h"
#include "ingest/kept_rows.h"
#include "ingest/output_buffer.h"
#include "ingest/verdict.h"
#include "prerank/ingest.h"
#include "prerank/status.h"

namespace prerank::ingest {

class NumberEncoder {
 public:
  // `written`: whether the column is an output of its own.
  NumberEncoder(const NumberColumn& column, bool written) : column_(column), written_(written) {}

  // Writes all rows of the block behind the open batch and judges them. kInvalidArgument when the input is no number.
  Status judge(const RowBlock& block, Verdict& verdict);
  // Adds the kept rows to the batch.
  void append(const KeptRows& kept);

  const NumberColumn& column() const { return column_; }
  // Rows of the block judged last, NaN where null; only for columns with a role.
  const double* values() const { return values_.data(); }
  ColumnData data() const;
  size_t bytes() const { return floats_.bytes() + bytes_.bytes(); }
  void clear();

 private:
  bool allowed(const double* values, size_t count) const;
  void judge_rows(const RowSlice& slice, size_t base, Verdict& verdict);
  Status write(size_t base, size_t count, size_t rows, bool clean);

  NumberColumn column_;
  bool written_;
  OutputBuffer<float> floats_;
  OutputBuffer<uint8_t> bytes_;
  std::vector<double> values_;
  std::vector<double> checked_;
  std::vector<uint8_t> valid_;
};

}  // namespace prerank::ingest
