// The messages of a mapped Arrow IPC file or stream: where they are, framing and coverage checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "arrow/format.h"
#include "arrow/schema.h"
#include "io/fault_guard.h"
#include "prerank/dataset.h"
#include "prerank/status.h"

namespace prerank::arrow {

struct Message {
  HeaderType type = HeaderType::kNone;  // kDictionaryBatch or kRecordBatch
  int16_t version = kMetadataV5;
  uint64_t offset = 0;  // in the file
  std::span<const std::byte> metadata;
  std::span<const std::byte> body;
};

// Files and streams are told apart by their first bytes. What is not read: streams written before Arrow 0.15 (no
// continuation marks), tensors, big-endian numbers. A stream must have its end mark, since without one a truncated file
// could look complete.
class IpcFile {
 public:
  // kNotFound, kIoError; kInvalidArgument names the byte where the file is damaged.
  static Result<std::shared_ptr<const IpcFile>> open(const std::string& path);

  const std::string& path() const { return file_->path(); }
  const Schema& schema() const { return schema_; }
  // In the order of reading: the dictionaries of a file come first.
  const std::vector<Message>& messages() const { return messages_; }
  // A stream may replace a dictionary by another one of the same number, a file may only add to it.
  bool replaces_dictionaries() const { return is_stream_; }
  // kDatasetChanged when the file became shorter since it was opened.
  Status check_unchanged() const { return watch_.check(); }

 private:
  explicit IpcFile(std::shared_ptr<MappedFile> file);

  Status read();
  Status read_stream();
  Status read_footer();
  Status read_blocks(FlatBufferView& footer, FlatBufferView::Table root, size_t slot, HeaderType type,
                     uint64_t footer_begin);
  Status check_coverage(uint64_t begin, uint64_t end) const;
  // The message at `offset`, which may reach to `end`. Its metadata is empty at the end mark of a stream.
  Result<Message> message_at(uint64_t offset, uint64_t end) const;
  Result<Schema> schema_of(const Message& message) const;
  Status invalid(uint64_t offset, const std::string& what) const;

  std::shared_ptr<MappedFile> file_;
  std::span<const std::byte> bytes_;
  SourceWatch watch_;
  bool is_stream_ = false;
  Schema schema_;
  std::vector<Message> messages_;
};

}  // namespace prerank::arrow
