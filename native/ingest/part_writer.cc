#include "ingest/part_writer.h"

#include <utility>

#include "ingest/request_blocks.h"

namespace prerank::ingest {
namespace {

constexpr size_t kBatchRows = 65'536;
constexpr size_t kBatchBytes = size_t{256} << 20;

}  // namespace

Status PartWriter::add(RowBlock block, std::vector<RejectedRow>& rejects) {
  while (block.rows > 0) {
    const size_t used = encoder_.rows();
    RowBlock front = take_front(block, used < kBatchRows ? kBatchRows - used : 0);
    if (front.rows == 0) {
      if (used > 0) {
        PRERANK_RETURN_IF_ERROR(close_batch());
        continue;
      }
      front = take_front(block, first_request_rows(block));
    }
    PRERANK_RETURN_IF_ERROR(encoder_.encode(front, rejects));
    if (encoder_.bytes() > kBatchBytes) PRERANK_RETURN_IF_ERROR(close_batch());
  }
  return {};
}

Status PartWriter::close_batch() {
  const size_t rows = encoder_.rows();
  if (rows > 0) {
    if (file_ == nullptr) {
      std::vector<arrow::FileColumn> columns;
      for (const OutputColumn& column : columns_) {
        columns.push_back({column.name, column.type, column.remap.kind != Remap::Kind::kNone});
      }
      PRERANK_ASSIGN_OR_RETURN(file_, arrow::FileWriter::create(path_, std::move(columns)));
    }
    buffers_.clear();
    std::vector<size_t> value_counts;
    for (const ColumnData& data : encoder_.columns()) {
      buffers_.push_back({data.values, data.value_count, data.offsets});
      value_counts.push_back(data.value_count);
    }
    PRERANK_ASSIGN_OR_RETURN(arrow::WrittenBatch place, file_->write(rows, buffers_));
    part_.batches.push_back({std::move(place), std::move(value_counts), rows, encoder_.requests()});
    rows_written_ += rows;
  }
  encoder_.clear();
  return {};
}

Result<WrittenPart> PartWriter::finish() {
  PRERANK_RETURN_IF_ERROR(close_batch());
  if (file_ != nullptr) {
    PRERANK_ASSIGN_OR_RETURN(part_.bytes, file_->finish());
    part_.path = std::move(path_);
    file_.reset();
  }
  part_.counts = encoder_.take_counts();
  part_.statistics = encoder_.take_statistics();
  return std::exchange(part_, {});
}

}  // namespace prerank::ingest
