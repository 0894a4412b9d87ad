// In which order an epoch visits the rows: a pure function of (rows, shuffle, window, seed, epoch).
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "prerank/loader.h"

namespace prerank {

// Fills `order` with a random permutation of [first, first + order.size()): Fisher–Yates on Philox keyed by (seed,
// epoch, block).
void shuffle_block(std::span<uint32_t> order, uint32_t first, uint64_t seed, uint64_t epoch, uint64_t block);

// Rows in blocks of window_rows (kFull: one block of all rows), the blocks in order, shuffled inside. Blocks are
// shared by the threads that read them, and shuffled when first needed; large ones before that, since the first places
// of a Fisher–Yates shuffle are settled last.
class RowOrder {
 public:
  RowOrder(size_t rows, Shuffle shuffle, size_t window_rows, uint64_t seed, size_t epochs);
  ~RowOrder();
  RowOrder(const RowOrder&) = delete;
  RowOrder& operator=(const RowOrder&) = delete;

  // Starts the thread that shuffles ahead, if blocks are large enough to want one; it begins with the first block.
  // Throws std::system_error when the system refuses the thread.
  void start();

  // out[i] = row at place first + i of the epoch's order. Safe to call from several threads.
  void read(uint64_t epoch, size_t first, std::span<uint32_t> out);

 private:
  struct Place {
    uint64_t epoch = 0;
    uint64_t index = 0;
    bool operator==(const Place&) const = default;
  };
  struct Block {
    Place place;
    std::once_flag shuffled;
    std::vector<uint32_t> order;
  };
  // The block, shuffled; unless it is `ahead` of need, the one after it is asked for.
  std::shared_ptr<const Block> block(Place place, bool ahead);
  std::shared_ptr<Block> find_or_make(Place place);
  std::optional<Place> after(Place place) const;
  void shuffle_ahead();

  size_t rows_;
  size_t block_rows_;
  Shuffle shuffle_;
  uint64_t seed_;
  size_t epochs_;
  std::mutex mutex_;
  std::condition_variable wanted_changed_;
  std::vector<std::shared_ptr<Block>> blocks_;  // most recently made last
  std::optional<Place> wanted_;                 // to be shuffled ahead
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace prerank
