#include "arrow/file_writer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "arrow/metadata_writer.h"
#include "arrow/output_file.h"
#include "base/block_checksum.h"

namespace prerank::arrow {
namespace {

constexpr size_t kAlignment = 64;
constexpr std::array<std::byte, kAlignment> kZeros = {};

using Bytes = std::span<const std::byte>;

size_t padding(uint64_t size) { return (kAlignment - size % kAlignment) % kAlignment; }

size_t value_bytes(ColumnType type) { return type == ColumnType::kUint8 ? 1 : 4; }

// Hashed and then written at a time: what stays in a core's cache.
constexpr size_t kBytesPerWrite = size_t{256} << 10;

struct Piece {
  Bytes bytes;
  bool rewritten = false;
};

// What stands before a message's metadata: the mark of a continued stream and the length.
struct MessagePrefix {
  uint32_t continuation;
  uint32_t metadata_length;
};

class FileWriterImpl final : public FileWriter {
 public:
  FileWriterImpl(OutputFile file, std::vector<FileColumn> columns, KeyValues metadata)
      : file_(std::move(file)), columns_(std::move(columns)), metadata_(std::move(metadata)) {}

  Status begin();
  Result<WrittenBatch> write(size_t rows, std::span<const ColumnBuffers> columns) override;
  Result<uint64_t> finish() override;

 private:
  Status check(size_t rows, std::span<const ColumnBuffers> columns) const;
  Status append_message(std::span<const Piece> pieces);
  Status invalid(const std::string& what) const { return {Code::kInvalidArgument, file_.path() + ": " + what}; }

  OutputFile file_;
  std::vector<FileColumn> columns_;
  KeyValues metadata_;
  std::vector<Block> blocks_;
  BlockHasher hasher_;
};

// The schema message follows the magic bytes at 8, as readers of the stream inside the file expect.
Status FileWriterImpl::begin() {
  const auto schema = schema_message(columns_, metadata_);
  std::array<std::byte, 8> magic = {};
  std::memcpy(magic.data(), kMagic.data(), kMagic.size());
  const size_t pad = padding(magic.size() + sizeof(MessagePrefix) + schema.size());
  const MessagePrefix prefix = {kContinuation, static_cast<uint32_t>(schema.size() + pad)};
  const std::array<Bytes, 4> pieces = {magic, std::as_bytes(std::span(&prefix, 1)), schema, Bytes(kZeros).first(pad)};
  return file_.append(pieces);
}

Status FileWriterImpl::check(size_t rows, std::span<const ColumnBuffers> columns) const {
  if (columns.size() != columns_.size()) {
    return invalid(std::to_string(columns.size()) + " columns instead of " + std::to_string(columns_.size()));
  }
  for (size_t i = 0; i < columns.size(); ++i) {
    const ColumnBuffers& column = columns[i];
    const std::string values = "column \"" + columns_[i].name + "\": " + std::to_string(column.value_count) + " values";
    if (!holds_lists(columns_[i].type)) {
      if (column.value_count != rows) return invalid(values + " for " + std::to_string(rows) + " rows");
      continue;
    }
    if (column.value_count > size_t{std::numeric_limits<int32_t>::max()}) {
      return invalid(values + " do not fit the offsets of one record batch");
    }
    if (column.offsets == nullptr || column.offsets[0] != 0 ||
        static_cast<size_t>(column.offsets[rows]) != column.value_count) {
      return invalid(values + " do not fit its offsets");
    }
  }
  return {};
}

Result<WrittenBatch> FileWriterImpl::write(size_t rows, std::span<const ColumnBuffers> columns) {
  PRERANK_RETURN_IF_ERROR(check(rows, columns));
  std::vector<FieldNode> nodes;
  std::vector<BufferRange> ranges;
  std::vector<Piece> pieces(3);  // prefix, metadata and padding come first
  WrittenBatch written;
  uint64_t body = 0;
  const auto add = [&](const void* data, size_t bytes, bool rewritten) {
    ranges.push_back({static_cast<int64_t>(body), static_cast<int64_t>(bytes)});
    pieces.push_back({{static_cast<const std::byte*>(data), bytes}, rewritten});
    pieces.push_back({Bytes(kZeros).first(padding(bytes))});
    body += bytes + padding(bytes);
  };
  const auto add_node = [&](size_t length) {
    nodes.push_back({static_cast<int64_t>(length), 0});
    ranges.push_back({static_cast<int64_t>(body), 0});  // no validity bits
  };
  for (size_t i = 0; i < columns.size(); ++i) {
    add_node(rows);
    if (holds_lists(columns_[i].type)) {
      add(columns[i].offsets, (rows + 1) * sizeof(int32_t), false);
      add_node(columns[i].value_count);
    }
    written.values_offset.push_back(body);
    add(columns[i].values, columns[i].value_count * value_bytes(columns_[i].type), columns_[i].rewritten);
  }
  const auto metadata =
      record_batch_message(static_cast<int64_t>(rows), nodes, ranges, static_cast<int64_t>(body));
  const size_t pad = padding(sizeof(MessagePrefix) + metadata.size());
  const MessagePrefix prefix = {kContinuation, static_cast<uint32_t>(metadata.size() + pad)};
  pieces[0].bytes = std::as_bytes(std::span(&prefix, 1));
  pieces[1].bytes = metadata;
  pieces[2].bytes = Bytes(kZeros).first(pad);
  written.offset = file_.size();
  const uint64_t body_begin = sizeof(MessagePrefix) + metadata.size() + pad;
  written.bytes = body_begin + body;
  for (uint64_t& offset : written.values_offset) offset += written.offset + body_begin;
  PRERANK_RETURN_IF_ERROR(append_message(pieces));
  written.block_hashes = hasher_.finish();
  blocks_.push_back({static_cast<int64_t>(written.offset), static_cast<int32_t>(body_begin), 0,
                     static_cast<int64_t>(body)});
  return written;
}

Status FileWriterImpl::append_message(std::span<const Piece> pieces) {
  std::vector<Bytes> group;
  size_t grouped = 0;
  for (const Piece& piece : pieces) {
    for (Bytes rest = piece.bytes; !rest.empty();) {
      const Bytes part = rest.first(std::min(rest.size(), kBytesPerWrite - grouped));
      if (piece.rewritten) hasher_.skip(part.size());
      else hasher_.add(part);
      group.push_back(part);
      grouped += part.size();
      rest = rest.subspan(part.size());
      if (grouped < kBytesPerWrite) continue;
      PRERANK_RETURN_IF_ERROR(file_.append(group));
      group.clear();
      grouped = 0;
    }
  }
  return file_.append(group);
}

Result<uint64_t> FileWriterImpl::finish() {
  const MessagePrefix end = {kContinuation, 0};
  const auto metadata = footer(columns_, metadata_, blocks_);
  const auto length = static_cast<int32_t>(metadata.size());
  const std::array<Bytes, 4> pieces = {std::as_bytes(std::span(&end, 1)), metadata,
                                       std::as_bytes(std::span(&length, 1)), std::as_bytes(std::span(kMagic))};
  PRERANK_RETURN_IF_ERROR(file_.append(pieces));
  PRERANK_RETURN_IF_ERROR(file_.close());
  return file_.size();
}

}  // namespace

Result<std::unique_ptr<FileWriter>> FileWriter::create(const std::string& path, std::vector<FileColumn> columns,
                                                       std::vector<std::pair<std::string, std::string>> metadata) {
  PRERANK_ASSIGN_OR_RETURN(OutputFile file, OutputFile::create(path));
  auto writer = std::make_unique<FileWriterImpl>(std::move(file), std::move(columns), std::move(metadata));
  PRERANK_RETURN_IF_ERROR(writer->begin());
  return std::unique_ptr<FileWriter>(std::move(writer));
}

}  // namespace prerank::arrow
