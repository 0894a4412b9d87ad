#include "base/block_checksum.h"

#include <algorithm>
#include <utility>

namespace prerank {

uint64_t block_checksum(std::span<const std::byte> message) {
  BlockHasher hasher;
  hasher.add(message);
  return checksum_of_blocks(hasher.finish());
}

uint64_t checksum_of_blocks(std::span<const uint64_t> hashes) { return xxh64(hashes.data(), hashes.size_bytes()); }

void BlockHasher::add(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const size_t count = std::min(bytes.size(), kChecksumBlock - filled_);
    if (!unknown_) block_.add(bytes.data(), count);
    filled_ += count;
    if (filled_ == kChecksumBlock) close_block();
    bytes = bytes.subspan(count);
  }
}

void BlockHasher::skip(size_t bytes) {
  while (bytes > 0) {
    const size_t count = std::min(bytes, kChecksumBlock - filled_);
    unknown_ = true;
    filled_ += count;
    if (filled_ == kChecksumBlock) close_block();
    bytes -= count;
  }
}

void BlockHasher::close_block() {
  hashes_.push_back(unknown_ ? 0 : block_.hash());
  block_ = {};
  filled_ = 0;
  unknown_ = false;
}

std::vector<uint64_t> BlockHasher::finish() {
  if (filled_ > 0) close_block();
  return std::exchange(hashes_, {});
}

}  // namespace prerank
