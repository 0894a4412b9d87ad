// In which order an epoch visits the rows: a pure function of (rows, shuffle, window, seed, epoch).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "prerank/loader.h"

namespace prerank {

// Fills `order` with a random permutation of [first, first + order.size()): Fisher–Yates on Philox keyed by (seed,
// epoch, block).
void shuffle_block(std::span<uint32_t> order, uint32_t first, uint64_t seed, uint64_t epoch, uint64_t block);

// Rows in blocks of window_rows (kFull: one block of all rows), the blocks in order, shuffled inside. Blocks are
// shuffled when first needed and shared by the threads that read them.
class RowOrder {
 public:
  RowOrder(size_t rows, Shuffle shuffle, size_t window_rows, uint64_t seed);

  // out[i] = row at place first + i of the epoch's order. Safe to call from several threads.
  void read(uint64_t epoch, size_t first, std::span<uint32_t> out);

 private:
  struct Block {
    uint64_t epoch = 0;
    uint64_t index = 0;
    std::vector<uint32_t> order;
  };
  std::shared_ptr<const Block> block(uint64_t epoch, uint64_t index);

  size_t rows_;
  size_t block_rows_;
  Shuffle shuffle_;
  uint64_t seed_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Block>> blocks_;  // most recently made last
};

}  // namespace prerank
