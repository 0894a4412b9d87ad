// Assembles one batch from dataset columns into memory that is used again and again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/grow_buffer.h"
#include "io/loader_plan.h"
#include "io/row_order.h"
#include "io/row_set.h"
#include "io/table_index.h"
#include "prerank/batch.h"

namespace prerank {

// A batch and the memory behind its spans.
struct BatchBuffers {
  struct Ids {
    GrowBuffer<uint32_t> ids;
    GrowBuffer<uint32_t> offsets;
    GrowBuffer<float> weights;
  };

  Batch batch;
  uint64_t bytes = 0;  // copied out of the columns
  double gather_seconds = 0, index_seconds = 0;  // processor time of the last assemble()
  std::vector<GrowBuffer<float>> dense;
  std::vector<Ids> ids;
  RowSetBuffer rows;
  GrowBuffer<uint32_t> request_of_row, request_offsets;
  GrowBuffer<uint32_t> task_mask;
  std::vector<GrowBuffer<float>> targets;
  GrowBuffer<float> weight;
  std::vector<TableIndexBuffers> tables;
};

// The work of one thread. The same rows give the same batch on every thread.
class BatchAssembler {
 public:
  // Both must outlive the assembler.
  BatchAssembler(const LoaderPlan& plan, RowOrder& order);

  // Fills `out` with rows [first, first + count) of the epoch's order. Values are checked on the way: the first bad one
  // is reported with its column and its row in the dataset. kDatasetChanged when a file under the columns became
  // shorter.
  Status assemble(uint64_t epoch, size_t first, size_t count, BatchBuffers& out);

 private:
  // Checksums of the chunks that the rows lie in.
  Status verify_chunks(const RowSet& rows);
  Status gather_all(const RowSet& rows, BatchBuffers& out);
  Status group_requests(const RowSet& rows, BatchBuffers& out);
  Status gather_dense(size_t input, const RowSet& rows, BatchBuffers& out);
  Status gather_single(size_t input, const RowSet& rows, BatchBuffers& out);
  Status gather_lists(size_t input, const RowSet& rows, BatchBuffers& out);
  Status gather_list_weights(const LoaderPlan::Ids& source, const RowSet& rows, size_t count,
                             BatchBuffers::Ids& buffers, BatchBuffers& out);
  Status gather_weight(const RowSet& rows, BatchBuffers& out);
  Status gather_targets(const RowSet& rows, BatchBuffers& out);
  Status set_task(size_t task, const RowSet& rows, BatchBuffers& out);
  Status index_tables(BatchBuffers& out);
  const RowSet& of_domain(Domain domain, const RowSet& rows) const {
    return domain == Domain::kRequest ? requests_ : rows;
  }

  const LoaderPlan& plan_;
  RowOrder& order_;
  std::vector<bool> verified_;  // chunks this thread need not ask for again
  size_t unverified_ = 0;
  RowSet requests_;  // first row of each request of the batch
  RowSetBuffer request_rows_;
  GrowBuffer<uint32_t> begins_, offsets_, request_values_;
  std::vector<GrowBuffer<float>> floats_;   // per LoaderPlan::floats
  std::vector<GrowBuffer<uint8_t>> flags_;  // per LoaderPlan::flags
  TableIndexScratch index_scratch_;
};

}  // namespace prerank
