#include "arrow/body_reader.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace prerank::arrow {
namespace {

constexpr uint64_t kBufferAlignment = 8;
// Keeps products of rows and value sizes far from overflow.
constexpr int64_t kMaxRows = int64_t{1} << 40;

Status damaged(const std::string& what) { return {Code::kInvalidArgument, what}; }

}  // namespace

Result<BodyReader> BodyReader::create(FlatBufferView& view, FlatBufferView::Table batch,
                                      std::span<const std::byte> body, BatchMemory& memory) {
  BodyReader reader(body, memory);
  PRERANK_RETURN_IF_ERROR(reader.read(view, batch));
  PRERANK_RETURN_IF_ERROR(reader.check_ranges());
  return reader;
}

Status BodyReader::read(FlatBufferView& view, FlatBufferView::Table batch) {
  if (!batch) return damaged("the message has no record batch");
  const auto rows = view.scalar<int64_t>(batch, slot::kBatchLength, 0);
  if (rows < 0 || rows > kMaxRows) return damaged("it says it has " + std::to_string(rows) + " rows");
  rows_ = static_cast<uint64_t>(rows);
  if (const auto compression = view.table(batch, slot::kBatchCompression)) {
    const auto codec = view.scalar<int8_t>(compression, slot::kCompressionCodec, kCodecLz4Frame);
    const auto method = view.scalar<int8_t>(compression, slot::kCompressionMethod, 0);
    if (codec != kCodecLz4Frame && codec != kCodecZstd) return damaged("it is compressed by an unknown codec");
    if (method != 0) return damaged("it is compressed by an unknown method");
    codec_ = codec == kCodecLz4Frame ? Codec::kLz4Frame : Codec::kZstd;
  }
  const auto nodes = view.vector(batch, slot::kBatchNodes, sizeof(FieldNode));
  for (size_t i = 0; i < nodes.count; ++i) {
    const auto node = view.element<FieldNode>(nodes, i);
    if (node.length < 0 || node.length > kMaxRows || node.null_count < 0 || node.null_count > node.length) {
      return damaged("a field has " + std::to_string(node.length) + " values, " + std::to_string(node.null_count) +
                     " of them null");
    }
    nodes_.push_back({static_cast<uint64_t>(node.length), static_cast<uint64_t>(node.null_count)});
  }
  const auto buffers = view.vector(batch, slot::kBatchBuffers, sizeof(BufferRange));
  for (size_t i = 0; i < buffers.count; ++i) {
    const auto range = view.element<BufferRange>(buffers, i);
    const auto size = static_cast<int64_t>(body_.size());
    if (range.offset < 0 || range.length < 0 || range.offset > size || range.length > size - range.offset) {
      return damaged("a buffer of " + std::to_string(range.length) + " bytes at " + std::to_string(range.offset) +
                     " does not fit the " + std::to_string(size) + " bytes of the batch");
    }
    buffers_.push_back(body_.subspan(static_cast<size_t>(range.offset), static_cast<size_t>(range.length)));
  }
  const auto counts = view.vector(batch, slot::kBatchVariadicCounts, sizeof(int64_t));
  for (size_t i = 0; i < counts.count; ++i) variadic_counts_.push_back(view.element<int64_t>(counts, i));
  return view.broken() ? damaged("its metadata is damaged") : Status();
}

// Buffers are aligned and apart from each other, and between them is only padding: a damaged place or length would
// uncover data or cover it twice.
Status BodyReader::check_ranges() const {
  auto ranges = buffers_;
  std::erase_if(ranges, [](const auto& range) { return range.empty(); });
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.data() < b.data(); });
  ranges.push_back(body_.last(0));
  const std::byte* at = body_.data();
  for (const auto range : ranges) {
    if (!range.empty() && reinterpret_cast<uintptr_t>(range.data()) % kBufferAlignment != 0) {
      return damaged("a buffer is not aligned to 8 bytes");
    }
    if (range.data() < at) return damaged("two buffers overlap");
    if (std::any_of(at, range.data(), [](std::byte byte) { return byte != std::byte{0}; })) {
      return damaged("there is data that belongs to no buffer");
    }
    at = range.data() + range.size();
  }
  return {};
}

Result<BodyReader::Node> BodyReader::node() {
  if (next_node_ == nodes_.size()) return damaged("it has fewer fields than the schema");
  return nodes_[next_node_++];
}

Result<std::span<const std::byte>> BodyReader::buffer(uint64_t needed) {
  if (next_buffer_ == buffers_.size()) return damaged("it has fewer buffers than the schema asks for");
  std::span<const std::byte> bytes = buffers_[next_buffer_++];
  if (codec_ != Codec::kNone && !bytes.empty()) {
    PRERANK_ASSIGN_OR_RETURN(bytes, decompressed(bytes));
  }
  if (bytes.size() < needed) {
    return damaged("a buffer has " + std::to_string(bytes.size()) + " bytes instead of " + std::to_string(needed));
  }
  return bytes;
}

// A compressed buffer begins with its length when decompressed; -1: it is stored as it is.
Result<std::span<const std::byte>> BodyReader::decompressed(std::span<const std::byte> stored) {
  int64_t length = 0;
  if (stored.size() < sizeof(length)) return damaged("a compressed buffer has no length");
  std::memcpy(&length, stored.data(), sizeof(length));
  const auto data = stored.subspan(sizeof(length));
  if (length == -1) return data;
  if (length < 0) return damaged("a compressed buffer of " + std::to_string(length) + " bytes");
  if (length == 0) return std::span<const std::byte>();
  PRERANK_RETURN_IF_ERROR(check_expansion(codec_, data, static_cast<uint64_t>(length)));
  PRERANK_ASSIGN_OR_RETURN(const std::span<std::byte> out, memory_->allocate(static_cast<size_t>(length)));
  PRERANK_RETURN_IF_ERROR(decompress(codec_, data, out));
  return std::span<const std::byte>(out);
}

Status BodyReader::skip_buffers(size_t count) {
  if (count > buffers_.size() - next_buffer_) return damaged("it has fewer buffers than the schema asks for");
  next_buffer_ += count;
  return {};
}

Result<size_t> BodyReader::variadic_count() {
  if (next_variadic_ == variadic_counts_.size()) return damaged("it does not count the buffers of its views");
  const int64_t count = variadic_counts_[next_variadic_++];
  if (count < 0 || static_cast<uint64_t>(count) > buffers_.size() - next_buffer_) {
    return damaged("it counts " + std::to_string(count) + " buffers of views");
  }
  return static_cast<size_t>(count);
}

Status BodyReader::finish() const {
  if (next_node_ == nodes_.size() && next_buffer_ == buffers_.size() && next_variadic_ == variadic_counts_.size()) {
    return {};
  }
  return damaged("it has more fields or buffers than the schema");
}

}  // namespace prerank::arrow
