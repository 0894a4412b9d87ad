#include "io/row_order.h"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <utility>

#include "base/philox.h"

namespace prerank {
namespace {

// Keeps the row order's random bits apart from those of operations, which use the seed as it is.
constexpr uint64_t kStream = 0x726f772d6f726472;
// A batch at a block's edge, and threads that run ahead into the next epoch, need two blocks at once; one is shuffled
// ahead.
constexpr size_t kCachedBlocks = 3;
// Smaller blocks are shuffled in less time than a batch takes.
constexpr size_t kAheadRows = 65536;

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

RowOrder::RowOrder(size_t rows, Shuffle shuffle, size_t window_rows, uint64_t seed, size_t epochs)
    : rows_(rows),
      block_rows_(shuffle == Shuffle::kWindow ? std::min(window_rows, rows) : rows),
      shuffle_(shuffle),
      seed_(seed),
      epochs_(epochs) {}

RowOrder::~RowOrder() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wanted_changed_.notify_one();
  thread_.join();
}

void RowOrder::start() {
  if (shuffle_ == Shuffle::kNone || block_rows_ < kAheadRows || epochs_ == 0) return;
  wanted_ = Place{};
  thread_ = std::thread([this] { shuffle_ahead(); });
}

void RowOrder::shuffle_ahead() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wanted_changed_.wait(lock, [&] { return stopping_ || wanted_; });
    if (stopping_) return;
    const Place place = *std::exchange(wanted_, std::nullopt);
    lock.unlock();
    block(place, true);
    lock.lock();
  }
}

std::optional<RowOrder::Place> RowOrder::after(Place place) const {
  if ((place.index + 1) * block_rows_ < rows_) return Place{place.epoch, place.index + 1};
  if (place.epoch + 1 < epochs_) return Place{place.epoch + 1, 0};
  return std::nullopt;
}

std::shared_ptr<RowOrder::Block> RowOrder::find_or_make(Place place) {
  for (const auto& cached : blocks_) {
    if (cached->place == place) return cached;
  }
  auto made = std::make_shared<Block>();
  const auto idle = std::find_if(blocks_.begin(), blocks_.end(), [](const auto& b) { return b.use_count() == 1; });
  if (blocks_.size() >= kCachedBlocks && idle != blocks_.end()) {
    std::atomic_thread_fence(
        std::memory_order_acquire);  // its last reader is done: use_count() alone does not order that
    made->order = std::move((*idle)->order);
    blocks_.erase(idle);
  }
  made->place = place;
  blocks_.push_back(made);
  return made;
}

std::shared_ptr<const RowOrder::Block> RowOrder::block(Place place, bool ahead) {
  std::shared_ptr<Block> found;
  {
    const std::lock_guard lock(mutex_);
    found = find_or_make(place);
    if (const auto next = after(place); !ahead && thread_.joinable() && next) {
      const bool known = std::any_of(blocks_.begin(), blocks_.end(), [&](const auto& b) { return b->place == *next; });
      if (!known && wanted_ != next) {
        wanted_ = next;
        wanted_changed_.notify_one();
      }
    }
  }
  std::call_once(found->shuffled, [&] {
    const size_t first = place.index * block_rows_;
    found->order.resize(std::min(block_rows_, rows_ - first));
    shuffle_block(found->order, static_cast<uint32_t>(first), seed_, place.epoch, place.index);
  });
  return found;
}

void RowOrder::read(uint64_t epoch, size_t first, std::span<uint32_t> out) {
  if (shuffle_ == Shuffle::kNone) {
    std::iota(out.begin(), out.end(), static_cast<uint32_t>(first));
    return;
  }
  while (!out.empty()) {
    const auto from = block({epoch, first / block_rows_}, false);
    const size_t skip = first % block_rows_;
    const size_t count = std::min(out.size(), from->order.size() - skip);
    std::copy_n(from->order.begin() + static_cast<ptrdiff_t>(skip), count, out.begin());
    out = out.subspan(count);
    first += count;
  }
}

}  // namespace prerank
