// Nodes and buffers of a record batch in the order of the schema, every one checked against the body and decompressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "arrow/batch_memory.h"
#include "arrow/compression.h"
#include "arrow/flatbuffer_view.h"
#include "arrow/format.h"
#include "prerank/status.h"

namespace prerank::arrow {

class BodyReader {
 public:
  // `batch`: the RecordBatch table. `memory` gets what is decompressed. Errors say what is wrong, not where.
  static Result<BodyReader> create(FlatBufferView& view, FlatBufferView::Table batch, std::span<const std::byte> body,
                                   BatchMemory& memory);

  uint64_t rows() const { return rows_; }

  struct Node {
    uint64_t length = 0;
    uint64_t null_count = 0;
  };
  Result<Node> node();
  // The next buffer, at least `needed` bytes long. Aligned to 8 bytes.
  Result<std::span<const std::byte>> buffer(uint64_t needed);
  Status skip_buffers(size_t count);
  // How many data buffers the next string or binary view has.
  Result<size_t> variadic_count();
  // An error unless everything was taken.
  Status finish() const;

 private:
  BodyReader(std::span<const std::byte> body, BatchMemory& memory) : body_(body), memory_(&memory) {}
  Status read(FlatBufferView& view, FlatBufferView::Table batch);
  Status check_ranges() const;
  Result<std::span<const std::byte>> decompressed(std::span<const std::byte> stored);

  std::span<const std::byte> body_;
  BatchMemory* memory_;
  uint64_t rows_ = 0;
  Codec codec_ = Codec::kNone;
  std::vector<Node> nodes_;
  std::vector<std::span<const std::byte>> buffers_;
  std::vector<int64_t> variadic_counts_;
  size_t next_node_ = 0, next_buffer_ = 0, next_variadic_ = 0;
};

}  // namespace prerank::arrow
