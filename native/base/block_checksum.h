// The checksum of a message: xxHash64 of the xxHash64s (64-bit little-endian words) of its blocks of 64 KiB, the last one
// shorter. A block that is rewritten is hashed again without a look at the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/xxhash.h"

namespace prerank {

inline constexpr size_t kChecksumBlock = size_t{64} << 10;

uint64_t block_checksum(std::span<const std::byte> message);

// From the hashes of all blocks.
uint64_t checksum_of_blocks(std::span<const uint64_t> hashes);

// Hashes the blocks of a message that comes in pieces.
class BlockHasher {
 public:
  void add(std::span<const std::byte> bytes);
  // Bytes that are not known yet: the blocks that hold some of them get the hash 0.
  void skip(size_t bytes);
  // The blocks' hashes; then the hasher is as new.
  std::vector<uint64_t> finish();

 private:
  void close_block();

  std::vector<uint64_t> hashes_;
  Xxh64Stream block_;
  size_t filled_ = 0;  // bytes of the open block
  bool unknown_ = false;
};

}  // namespace prerank
