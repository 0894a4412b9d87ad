// Writes Arrow IPC files: uncompressed, buffers 64-byte aligned, no nulls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "prerank/dataset.h"
#include "prerank/status.h"

namespace prerank::arrow {

struct FileColumn {
  std::string name;
  ColumnType type = ColumnType::kFloat32;
  bool rewritten = false;  // its values are written again later: blocks that hold them are not hashed
};

// One column of a record batch. Lists: `offsets` has rows + 1 entries from 0, `value_count` is the last of them.
struct ColumnBuffers {
  const void* values = nullptr;
  size_t value_count = 0;
  const int32_t* offsets = nullptr;
};

struct WrittenBatch {
  uint64_t offset = 0;  // of the message in the file, a multiple of 64
  uint64_t bytes = 0;   // metadata, padding and body
  std::vector<uint64_t> values_offset;  // per column: where its values begin in the file
  std::vector<uint64_t> block_hashes;   // of the message, 0 where a block holds rewritten values (base/block_checksum.h)
};

class FileWriter {
 public:
  // Creates the file (kIoError when it exists or cannot be written). `metadata`: key-value pairs of the schema.
  static Result<std::unique_ptr<FileWriter>> create(const std::string& path, std::vector<FileColumn> columns,
                                                    std::vector<std::pair<std::string, std::string>> metadata = {});
  virtual ~FileWriter() = default;  // closes an unfinished file as it is
  // Buffers in the order of the columns; they are written before it returns.
  virtual Result<WrittenBatch> write(size_t rows, std::span<const ColumnBuffers> columns) = 0;
  // Writes the footer and closes; returns the size of the file. Does not sync: ids may be rewritten before that.
  virtual Result<uint64_t> finish() = 0;
};

}  // namespace prerank::arrow
