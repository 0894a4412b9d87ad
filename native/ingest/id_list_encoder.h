// A multi-valued id feature with optional weights. A null list is empty under the default policy; a null inside a list
// rejects the row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "ingest/batch_encoder.h"
#include "ingest/hyperloglog.h"
#include "ingest/id_encoder.h"
#include "ingest/id_mapper.h"
#include "ingest/id_values.h"
#include "ingest/kept_rows.h"
#include "ingest/output_buffer.h"
#include "ingest/statistics.h"
#include "ingest/verdict.h"
#include "prerank/ingest.h"
#include "prerank/status.h"

namespace prerank::ingest {

class IdListEncoder {
 public:
  // As IdEncoder.
  IdListEncoder(const IdColumn& column, IdMapper& mapper, bool sketched);

  Status judge(const RowBlock& block, Verdict& verdict);
  // kOutOfRange when the batch would hold more than 2^31 − 1 elements.
  Status append(const KeptRows& kept);

  ColumnData data() const { return {ids_.data(), ids_.size(), offsets()}; }
  ColumnData weights() const { return {weights_.data(), weights_.size(), offsets()}; }
  size_t bytes() const { return ends_.bytes() + ids_.bytes() + weights_.bytes(); }
  void clear();
  IdStatistics take_statistics();
  std::unique_ptr<HyperLogLog> take_sketch() { return std::move(sketch_); }

 private:
  const int32_t* offsets() const;
  Status judge_types(const VectorView& lists, const VectorView* weights) const;
  Status judge_lists(const VectorView& lists, const RowSlice& slice, size_t base, Verdict& verdict);
  Status judge_weights(const VectorView& lists, const VectorView& weights, const RowSlice& slice, size_t base,
                       Verdict& verdict);
  Status append_slice(const KeptSlice& slice);
  Status append_weights(const Elements& lists, size_t elements);
  void watch_requests(const KeptRows& kept, size_t first_row);

  IdColumn column_;
  IdMapper* mapper_;
  std::unique_ptr<HyperLogLog> sketch_;
  OutputBuffer<int32_t> ends_;  // offsets: 0, then the end of each list
  OutputBuffer<uint32_t> ids_;
  OutputBuffer<float> weights_;
  IdStatistics statistics_;
  std::vector<uint32_t> lengths_;
  std::vector<ListRun> runs_;
};

}  // namespace prerank::ingest
