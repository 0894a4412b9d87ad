// A dataset as the core sees it: named columns over memory that somebody else owns (a mapping), never copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "prerank/status.h"

namespace prerank {

enum class ColumnType : uint8_t {
  kFloat32,
  kUint32,
  kUint8,
  kListUint32,   // offsets int32 [rows + 1] + values uint32
  kListFloat32,  // offsets int32 [rows + 1] + values float
};

// Rows [first_row, first_row + rows) of a column. Buffers may be unaligned to more than 8 bytes.
struct ColumnChunk {
  const void* values = nullptr;
  size_t value_count = 0;            // elements behind `values`: list chunks are checked against it
  const int32_t* offsets = nullptr;  // lists only
  size_t rows = 0;
};

struct Column {
  std::string name;
  ColumnType type = ColumnType::kFloat32;
  std::vector<ColumnChunk> chunks;
};

// What the bytes behind one chunk of all columns must be: a record batch's message in its file.
struct ChunkChecksum {
  std::span<const std::byte> message;
  uint64_t expected = 0;  // of the message (native/base/block_checksum.h)
  std::string file;       // for error messages, as `batch`, its number in the file
  size_t batch = 0;
};

// All columns have the same chunking. `keep_alive` holds whatever owns the memory.
class Dataset {
 public:
  // `checksums`: one per chunk, or none. With checksums, what list offsets say is checked with their chunk by verify();
  // without, here.
  static Result<std::shared_ptr<Dataset>> create(std::vector<Column> columns, std::shared_ptr<void> keep_alive,
                                                 std::vector<ChunkChecksum> checksums = {});
  virtual ~Dataset() = default;
  virtual size_t rows() const = 0;
  virtual std::span<const Column> columns() const = 0;
  virtual Result<size_t> find(const std::string& name) const = 0;
  // Whether a chunk's bytes are the ones that were written; to be called before its values are trusted. Each chunk is
  // read once, by the first thread that asks; others wait for it. kDatasetCorrupt names file and record batch;
  // kDatasetChanged when the file became shorter. Ok without checksums.
  virtual Status verify(size_t chunk) const = 0;
};

// A read-only file mapping. A file that shrinks while mapped reads as zeros and is reported as kDatasetChanged; it does
// not crash the process (native/io/fault_guard.h).
class MappedFile {
 public:
  static Result<std::shared_ptr<MappedFile>> open(const std::string& path);
  virtual ~MappedFile() = default;
  virtual std::span<const std::byte> bytes() const = 0;
  virtual const std::string& path() const = 0;
};

}  // namespace prerank
