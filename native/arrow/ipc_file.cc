#include "arrow/ipc_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace prerank::arrow {
namespace {

constexpr uint64_t kPrefixBytes = 8;  // continuation mark and length of the metadata
constexpr uint64_t kFirstMessage = 8;  // of a file, after the magic bytes
// Before the footer's length and the closing magic bytes.
constexpr uint64_t kTrailerBytes = sizeof(int32_t) + kMagic.size();

template <class T>
T load_at(std::span<const std::byte> bytes, uint64_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

bool has_magic(std::span<const std::byte> bytes, uint64_t at) {
  return bytes.size() >= at + kMagic.size() && std::memcmp(bytes.data() + at, kMagic.data(), kMagic.size()) == 0;
}

uint64_t message_end(const Message& message) {
  return message.offset + kPrefixBytes + message.metadata.size() + message.body.size();
}

}  // namespace

IpcFile::IpcFile(std::shared_ptr<MappedFile> file) : file_(std::move(file)), bytes_(file_->bytes()) {
  if (!bytes_.empty()) watch_.add(bytes_.data());
}

Result<std::shared_ptr<const IpcFile>> IpcFile::open(const std::string& path) {
  PRERANK_ASSIGN_OR_RETURN(std::shared_ptr<MappedFile> mapped, MappedFile::open(path));
  const std::shared_ptr<IpcFile> file(new IpcFile(std::move(mapped)));
  const Status status = file->read();
  PRERANK_RETURN_IF_ERROR(file->check_unchanged());  // explains damage that is none
  PRERANK_RETURN_IF_ERROR(status);
  return std::shared_ptr<const IpcFile>(file);
}

Status IpcFile::invalid(uint64_t offset, const std::string& what) const {
  return {Code::kInvalidArgument, path() + ": byte " + std::to_string(offset) + ": " + what};
}

Status IpcFile::read() {
  if (has_magic(bytes_, 0)) return read_footer();
  if (bytes_.size() >= kPrefixBytes && load_at<uint32_t>(bytes_, 0) == kContinuation) return read_stream();
  return {Code::kInvalidArgument,
          path() + ": no Arrow IPC file or stream: it begins neither with ARROW1 nor with a continuation mark"};
}

Result<Message> IpcFile::message_at(uint64_t offset, uint64_t end) const {
  if (offset > end || end - offset < kPrefixBytes) return invalid(offset, "the file is truncated");
  if (load_at<uint32_t>(bytes_, offset) != kContinuation) return invalid(offset, "no message begins here");
  const auto length = load_at<int32_t>(bytes_, offset + sizeof(uint32_t));
  const uint64_t begin = offset + kPrefixBytes;
  if (length < 0 || static_cast<uint64_t>(length) > end - begin) {
    return invalid(offset, "a message of " + std::to_string(length) + " bytes does not fit the file (truncated?)");
  }
  Message message;
  message.offset = offset;
  if (length == 0) return message;
  message.metadata = bytes_.subspan(begin, static_cast<size_t>(length));
  FlatBufferView view(message.metadata);
  const auto root = view.root();
  message.version = view.scalar<int16_t>(root, slot::kMessageVersion, 0);
  message.type = static_cast<HeaderType>(view.scalar<uint8_t>(root, slot::kMessageHeaderType, 0));
  const auto body_length = view.scalar<int64_t>(root, slot::kMessageBodyLength, 0);
  if (view.broken()) return invalid(offset, "the message's metadata is damaged");
  if (message.version != kMetadataV4 && message.version != kMetadataV5) {
    return invalid(offset, "metadata of version number " + std::to_string(message.version) + ", which is not read");
  }
  const uint64_t body = begin + static_cast<uint64_t>(length);
  if (body_length < 0 || static_cast<uint64_t>(body_length) > end - body) {
    return invalid(offset, "a message with " + std::to_string(body_length) +
                               " bytes of data does not fit the file (truncated?)");
  }
  message.body = bytes_.subspan(body, static_cast<size_t>(body_length));
  return message;
}

Result<Schema> IpcFile::schema_of(const Message& message) const {
  if (message.type != HeaderType::kSchema) return invalid(message.offset, "the first message is no schema");
  FlatBufferView view(message.metadata);
  auto schema = read_schema(view, view.table(view.root(), slot::kMessageHeader));
  if (!schema.ok()) return invalid(message.offset, schema.status().message());
  return schema;
}

Status IpcFile::read_stream() {
  is_stream_ = true;
  PRERANK_ASSIGN_OR_RETURN(const Message first, message_at(0, bytes_.size()));
  PRERANK_ASSIGN_OR_RETURN(schema_, schema_of(first));
  for (uint64_t at = message_end(first);;) {
    if (at == bytes_.size()) {
      return invalid(at, "the stream has no end mark: it is truncated, or its writer was not closed");
    }
    PRERANK_ASSIGN_OR_RETURN(const Message message, message_at(at, bytes_.size()));
    at = message_end(message);
    if (message.metadata.empty()) {
      return at == bytes_.size() ? Status() : invalid(at, "there are bytes after the end of the stream");
    }
    if (message.type != HeaderType::kDictionaryBatch && message.type != HeaderType::kRecordBatch) {
      return invalid(message.offset, "the message is neither a record batch nor a dictionary");
    }
    messages_.push_back(message);
  }
}

Status IpcFile::read_footer() {
  const uint64_t size = bytes_.size();
  if (size < kFirstMessage + kTrailerBytes || !has_magic(bytes_, size - kMagic.size())) {
    return invalid(size, "the file does not end with ARROW1: it is truncated, or its writer was not closed");
  }
  const uint64_t length_at = size - kTrailerBytes;
  const auto length = load_at<int32_t>(bytes_, length_at);
  if (length <= 0 || static_cast<uint64_t>(length) > length_at - kFirstMessage) {
    return invalid(length_at, "a footer of " + std::to_string(length) + " bytes does not fit the file");
  }
  const uint64_t begin = length_at - static_cast<uint64_t>(length);
  FlatBufferView footer(bytes_.subspan(begin, static_cast<size_t>(length)));
  const auto root = footer.root();
  auto schema = read_schema(footer, footer.table(root, slot::kFooterSchema));
  if (!schema.ok()) return invalid(begin, "in the footer: " + schema.status().message());
  schema_ = std::move(schema).value();
  PRERANK_RETURN_IF_ERROR(read_blocks(footer, root, slot::kFooterDictionaries, HeaderType::kDictionaryBatch, begin));
  PRERANK_RETURN_IF_ERROR(read_blocks(footer, root, slot::kFooterRecordBatches, HeaderType::kRecordBatch, begin));
  if (footer.broken()) return invalid(begin, "the footer is damaged");

  // The schema stands at the beginning, too; apache-arrow's JavaScript leaves it out there.
  const Result<Message> first = message_at(kFirstMessage, begin);
  if (!first.ok() || first.value().type != HeaderType::kSchema) return check_coverage(kFirstMessage, begin);
  PRERANK_ASSIGN_OR_RETURN(const Schema stream_schema, schema_of(first.value()));
  if (stream_schema != schema_) return invalid(begin, "the schema in the footer is not that at the beginning");
  return check_coverage(message_end(first.value()), begin);
}

Status IpcFile::read_blocks(FlatBufferView& footer, FlatBufferView::Table root, size_t slot, HeaderType type,
                            uint64_t footer_begin) {
  const auto blocks = footer.vector(root, slot, sizeof(Block));
  for (size_t i = 0; i < blocks.count; ++i) {
    const auto block = footer.element<Block>(blocks, i);
    const std::string which = (type == HeaderType::kRecordBatch ? "record batch " : "dictionary ") + std::to_string(i);
    if (block.offset < static_cast<int64_t>(kFirstMessage)) {
      return invalid(footer_begin, "the footer has no place for " + which);
    }
    PRERANK_ASSIGN_OR_RETURN(const Message message, message_at(static_cast<uint64_t>(block.offset), footer_begin));
    if (message.type != type) return invalid(message.offset, "the message is not " + which + " of the footer");
    if (static_cast<uint64_t>(block.metadata_length) != kPrefixBytes + message.metadata.size() ||
        static_cast<uint64_t>(block.body_length) != message.body.size()) {
      return invalid(message.offset, which + " has not the length that the footer says");
    }
    messages_.push_back(message);
  }
  return {};
}

// Between the messages that the footer lists there is only padding; otherwise the footer forgot some, or lists one
// twice.
Status IpcFile::check_coverage(uint64_t begin, uint64_t end) const {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const Message& message : messages_) ranges.emplace_back(message.offset, message_end(message));
  std::sort(ranges.begin(), ranges.end());
  ranges.emplace_back(end, end);
  uint64_t at = begin;
  for (const auto& [from, to] : ranges) {
    if (from < at) return invalid(from, "two messages overlap");
    // The end mark of the stream inside the file.
    if (from - at >= kPrefixBytes && load_at<uint64_t>(bytes_, at) == kContinuation) at += kPrefixBytes;
    const auto gap = bytes_.subspan(at, from - at);
    if (std::any_of(gap.begin(), gap.end(), [](std::byte byte) { return byte != std::byte{0}; })) {
      return invalid(at, "there is data here that the footer does not list");
    }
    at = to;
  }
  return {};
}

}  // namespace prerank::arrow
