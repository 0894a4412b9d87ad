#include "io/row_order.h"

#include <algorithm>
#include <atomic>
#include <numeric>

#include "base/philox.h"

namespace prerank {
namespace {

// Keeps the row order's random bits apart from those of operations, which use the seed as it is.
constexpr uint64_t kStream = 0x726f772d6f726472;
// A batch at a block's edge, and threads that run ahead into the next epoch, need two blocks at once.
constexpr size_t kCachedBlocks = 3;

// Random 64-bit words number 2i and 2i + 1 of a stream, one Philox block at a time.
class RandomWords {
 public:
  RandomWords(uint64_t seed, uint64_t epoch, uint64_t block)
      : key_(philox_key(seed ^ kStream)), epoch_(epoch), block_(block) {}

  uint64_t operator[](size_t i) {
    if (i / 2 != at_) {
      at_ = i / 2;
      words_ = philox4x32(
          {static_cast<uint32_t>(at_), static_cast<uint32_t>(epoch_ >> 32) ^ static_cast<uint32_t>(block_ >> 32),
           static_cast<uint32_t>(block_), static_cast<uint32_t>(epoch_)},
          key_);
    }
    const size_t lane = i % 2 * 2;
    return uint64_t{words_[lane + 1]} << 32 | words_[lane];
  }

 private:
  PhiloxKey key_;
  uint64_t epoch_;
  uint64_t block_;
  size_t at_ = static_cast<size_t>(-1);
  PhiloxCounter words_{};
};

}  // namespace

void shuffle_block(std::span<uint32_t> order, uint32_t first, uint64_t seed, uint64_t epoch, uint64_t block) {
  std::iota(order.begin(), order.end(), first);
  RandomWords random(seed, epoch, block);
  for (size_t i = order.size(); i-- > 1;) {
    // The integer part of (word / 2^64) * (i + 1): bias below 2^-32.
    const uint64_t word = random[i], count = i + 1;
    const size_t j = ((word >> 32) * count + (((word & 0xffffffffu) * count) >> 32)) >> 32;
    std::swap(order[i], order[j]);
  }
}

RowOrder::RowOrder(size_t rows, Shuffle shuffle, size_t window_rows, uint64_t seed)
    : rows_(rows),
      block_rows_(shuffle == Shuffle::kWindow ? std::min(window_rows, rows) : rows),
      shuffle_(shuffle),
      seed_(seed) {}

std::shared_ptr<const RowOrder::Block> RowOrder::block(uint64_t epoch, uint64_t index) {
  const std::lock_guard lock(mutex_);
  for (const auto& cached : blocks_) {
    if (cached->epoch == epoch && cached->index == index) return cached;
  }
  std::shared_ptr<Block> made;
  const auto idle = std::find_if(blocks_.begin(), blocks_.end(), [](const auto& b) { return b.use_count() == 1; });
  if (blocks_.size() >= kCachedBlocks && idle != blocks_.end()) {
    std::atomic_thread_fence(
        std::memory_order_acquire);  // its last reader is done: use_count() alone does not order that
    made = std::move(*idle);
    blocks_.erase(idle);
  } else {
    made = std::make_shared<Block>();
  }
  const size_t first = index * block_rows_;
  made->epoch = epoch;
  made->index = index;
  made->order.resize(std::min(block_rows_, rows_ - first));
  shuffle_block(made->order, static_cast<uint32_t>(first), seed_, epoch, index);
  blocks_.push_back(made);
  return made;
}

void RowOrder::read(uint64_t epoch, size_t first, std::span<uint32_t> out) {
  if (shuffle_ == Shuffle::kNone) {
    std::iota(out.begin(), out.end(), static_cast<uint32_t>(first));
    return;
  }
  while (!out.empty()) {
    const auto from = block(epoch, first / block_rows_);
    const size_t skip = first % block_rows_;
    const size_t count = std::min(out.size(), from->order.size() - skip);
    std::copy_n(from->order.begin() + static_cast<ptrdiff_t>(skip), count, out.begin());
    out = out.subspan(count);
    first += count;
  }
}

}  // namespace prerank
