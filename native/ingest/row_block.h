// Decoded rows of whole requests, as the encoders see them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace prerank::ingest {

enum class Physical : uint8_t {
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kFloat,
  kDouble,
  kString,
  kList,
};

// DuckDB's entry of a list vector.
struct ListEntry {
  uint64_t offset;
  uint64_t length;
};

// One column of a chunk: memory that DuckDB owns. Values at null positions are unspecified.
struct VectorView {
  Physical type = Physical::kInt64;
  const void* data = nullptr;
  const uint64_t* validity = nullptr;  // bit i of word i / 64 set = row i is valid; null: all are
  std::shared_ptr<const VectorView> child = {};  // kList
  size_t size = 0;                               // rows, or elements of a child

  bool valid(size_t row) const { return validity == nullptr || ((validity[row / 64] >> (row % 64)) & 1) != 0; }

  // kString: 16 bytes each, up to 12 characters inline, else a pointer after a prefix of 4.
  std::string_view text(size_t row) const {
    const auto* const entry = static_cast<const std::byte*>(data) + row * 16;
    uint32_t length = 0;
    std::memcpy(&length, entry, sizeof(length));
    if (length <= 12) return {reinterpret_cast<const char*>(entry + 4), length};
    const char* pointer = nullptr;
    std::memcpy(&pointer, entry + 8, sizeof(pointer));
    return {pointer, length};
  }

  ListEntry list(size_t row) const { return static_cast<const ListEntry*>(data)[row]; }
};

// A chunk of at most 2048 rows; the derived class keeps DuckDB's memory alive.
class Chunk {
 public:
  virtual ~Chunk() = default;
  size_t rows() const { return rows_; }
  const VectorView& column(size_t index) const { return columns_[index]; }
  size_t columns() const { return columns_.size(); }

 protected:
  size_t rows_ = 0;
  std::vector<VectorView> columns_;
};

// Rows [from, to) of a chunk.
struct RowSlice {
  std::shared_ptr<const Chunk> chunk;
  size_t from = 0;
  size_t to = 0;
  std::string_view origin = {};  // file of the rows, when the spec has no origin column
  size_t rows() const { return to - from; }
};

// Consecutive rows of the log holding whole requests (or any rows when the log has no requests). A request may span
// slices, and files. A row whose request is null belongs to the request before it (to a request of its own at the
// beginning of the log).
struct RowBlock {
  std::vector<RowSlice> slices;
  size_t rows = 0;
  std::vector<uint32_t> request_starts;  // first row of each request in the block; empty without requests
};

}  // namespace prerank::ingest
