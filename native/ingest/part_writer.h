// Encodes the blocks of a part into the record batches of one Arrow file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "arrow/file_writer.h"
#include "ingest/batch_encoder.h"
#include "ingest/row_block.h"
#include "prerank/status.h"

namespace prerank::ingest {

struct WrittenRows {
  arrow::WrittenBatch place;
  std::vector<size_t> value_counts;  // per column
  uint64_t rows = 0;
  uint64_t requests = 0;
};

// The file of a part as encoded: ids are provisional, requests count from 0 in every batch.
struct WrittenPart {
  std::string path;  // "" when the part has no rows: no file then
  uint64_t bytes = 0;
  std::vector<WrittenRows> batches;
  PartCounts counts;
  std::unique_ptr<FeatureStatistics> statistics;
};

// One a worker; one part after the other.
class PartWriter {
 public:
  PartWriter(BatchEncoder& encoder, const std::vector<OutputColumn>& columns) : encoder_(encoder), columns_(columns) {}

  void begin(std::string path) { path_ = std::move(path); }
  // Record batches end where the next request might not fit: its rows before judging, in the rows that are left.
  Status add(RowBlock block, std::vector<RejectedRow>& rejects);
  Result<WrittenPart> finish();

  // Rows written so far, of all parts.
  uint64_t rows_written() const { return rows_written_; }

 private:
  Status close_batch();

  BatchEncoder& encoder_;
  const std::vector<OutputColumn>& columns_;
  std::string path_;
  std::unique_ptr<arrow::FileWriter> file_;
  WrittenPart part_;
  std::vector<arrow::ColumnBuffers> buffers_;
  uint64_t rows_written_ = 0;
};

}  // namespace prerank::ingest
