// Work over many arrays of different sizes in one launch: the arrays are cut into chunks of a fixed size, one a block.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cuda/device.h"

namespace prerank::cuda {

// Items [begin, begin + size) of array `target`.
struct Chunk {
  uint32_t target = 0;
  uint32_t size = 0;
  size_t begin = 0;
};

inline constexpr size_t kChunkItems = 4096;

// Chunks in the order of the arrays; those without items have none.
inline std::vector<Chunk> chunks_of(std::span<const size_t> sizes) {
  std::vector<Chunk> chunks;
  for (size_t target = 0; target < sizes.size(); ++target) {
    for (size_t begin = 0; begin < sizes[target]; begin += kChunkItems) {
      const size_t size = sizes[target] - begin < kChunkItems ? sizes[target] - begin : kChunkItems;
      chunks.push_back({static_cast<uint32_t>(target), static_cast<uint32_t>(size), begin});
    }
  }
  return chunks;
}

}  // namespace prerank::cuda
