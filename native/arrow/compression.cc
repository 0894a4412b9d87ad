#include "arrow/compression.h"

#include <lz4frame.h>
#include <zstd.h>

#include <memory>
#include <string>

namespace prerank::arrow {
namespace {

struct FreeLz4 {
  void operator()(LZ4F_dctx* context) const { LZ4F_freeDecompressionContext(context); }
};

Status broken(const std::string& why) { return {Code::kInvalidArgument, "its compressed data is damaged: " + why}; }

Status wrong_length(size_t declared) {
  return broken("it is not the " + std::to_string(declared) + " bytes it says it is");
}

Status decompress_lz4(std::span<const std::byte> compressed, std::span<std::byte> out) {
  LZ4F_dctx* raw = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&raw, LZ4F_VERSION)) != 0) {
    return {Code::kOutOfMemory, "no memory to decompress LZ4"};
  }
  const std::unique_ptr<LZ4F_dctx, FreeLz4> context(raw);
  size_t read = 0;
  size_t written = 0;
  for (;;) {
    size_t source = compressed.size() - read;
    size_t target = out.size() - written;
    const size_t hint = LZ4F_decompress(context.get(), out.data() + written, &target, compressed.data() + read, &source,
                                        nullptr);
    if (LZ4F_isError(hint) != 0) return broken(LZ4F_getErrorName(hint));
    read += source;
    written += target;
    if (hint == 0) break;                          // the frame ended
    if (source == 0 && target == 0) break;         // wants more input, or more room
  }
  return written == out.size() && read == compressed.size() ? Status() : wrong_length(out.size());
}

Status decompress_zstd(std::span<const std::byte> compressed, std::span<std::byte> out) {
  const size_t size = ZSTD_decompress(out.data(), out.size(), compressed.data(), compressed.size());
  if (ZSTD_isError(size) != 0) return broken(ZSTD_getErrorName(size));
  return size == out.size() ? Status() : wrong_length(out.size());
}

}  // namespace

Status check_expansion(Codec codec, std::span<const std::byte> compressed, uint64_t bytes) {
  // A byte of LZ4 adds at most 255 to a match's length.
  constexpr uint64_t kLz4Ratio = 256;
  if (codec == Codec::kLz4Frame && bytes / kLz4Ratio > compressed.size()) return wrong_length(bytes);
  if (codec == Codec::kZstd) {
    const auto known = ZSTD_getFrameContentSize(compressed.data(), compressed.size());
    if (known == ZSTD_CONTENTSIZE_ERROR) return broken("no ZSTD frame begins here");
    if (known != ZSTD_CONTENTSIZE_UNKNOWN && known != bytes) return wrong_length(bytes);
  }
  return {};
}

Status decompress(Codec codec, std::span<const std::byte> compressed, std::span<std::byte> out) {
  return codec == Codec::kLz4Frame ? decompress_lz4(compressed, out) : decompress_zstd(compressed, out);
}

}  // namespace prerank::arrow
