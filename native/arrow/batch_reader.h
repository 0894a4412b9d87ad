// The record batches of an Arrow IPC file or stream, one after the other, decoded and checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "arrow/column_decoder.h"
#include "arrow/ipc_file.h"
#include "prerank/status.h"

namespace prerank::arrow {

// The columns that are read, in the order of the schema. kInvalidArgument names the file and the column when one is in
// an encoding that is not read, or when names are doubled or unusable.
Result<std::vector<Field>> readable_columns(const IpcFile& file);

// Everything that the columns refer to lives as long as the batch.
struct RecordBatch {
  uint64_t rows = 0;
  std::vector<Array> columns;  // of readable_columns(), as decoded_field() describes them
  std::shared_ptr<const IpcFile> file;
  std::shared_ptr<const BatchMemory> memory;
  Dictionaries dictionaries;
};

class BatchReader {
 public:
  // Decoded values of a batch, and those of all dictionaries, may take `memory_limit` bytes each.
  static Result<BatchReader> create(std::shared_ptr<const IpcFile> file, size_t memory_limit);

  // nullptr after the last. kInvalidArgument and kOutOfMemory name the file, the record batch (from 0) and the column.
  Result<std::shared_ptr<const RecordBatch>> next();

 private:
  BatchReader(std::shared_ptr<const IpcFile> file, size_t memory_limit)
      : file_(std::move(file)), memory_limit_(memory_limit) {}

  Status number_dictionaries(const Field& field);
  Status read_dictionary(const Message& message);
  Result<std::shared_ptr<const Dictionary>> decode_dictionary(const Message& message, const Field& field,
                                                              FlatBufferView& view, FlatBufferView::Table header,
                                                              const Dictionary* base);
  Status read_batch(const Message& message, RecordBatch& batch);

  std::shared_ptr<const IpcFile> file_;
  size_t memory_limit_;
  std::set<int64_t> dictionary_ids_;            // of all columns
  std::map<int64_t, Field> dictionary_fields_;  // of readable columns, without the index
  Dictionaries dictionaries_;
  size_t next_message_ = 0;
  uint64_t batches_ = 0;
};

}  // namespace prerank::arrow
