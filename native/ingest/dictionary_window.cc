#include "ingest/dictionary_window.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace prerank::ingest {
namespace {

constexpr int64_t kLeast = std::numeric_limits<int64_t>::min(), kMost = std::numeric_limits<int64_t>::max();

uint64_t distance(int64_t low, int64_t high) { return static_cast<uint64_t>(high) - static_cast<uint64_t>(low); }

}  // namespace

Status DictionaryWindow::cover(int64_t low, int64_t high) {
  if (!empty()) {
    const auto present_low = static_cast<int64_t>(low_), present_high = static_cast<int64_t>(low_ + (size() - 1));
    // Half as much again on the side where it grows: ids that rise move it seldom.
    if (low < present_low) low -= static_cast<int64_t>(std::min(size() / 2, distance(kLeast, low)));
    if (high > present_high) high += static_cast<int64_t>(std::min(size() / 2, distance(high, kMost)));
    low = std::min(low, present_low);
    high = std::max(high, present_high);
  }
  const auto first = static_cast<uint64_t>(low);
  auto memory = AlignedBuffer::allocate((distance(low, high) + 1) * sizeof(Slot));
  if (!memory.ok()) return memory.status();
  const AlignedBuffer old_memory = std::exchange(memory_, std::move(memory).value());
  const std::span<Slot> old = std::exchange(slots_, memory_.as<Slot>());
  const uint64_t old_low = std::exchange(low_, first);
  std::ranges::copy(old, slots_.begin() + static_cast<ptrdiff_t>(old.empty() ? 0 : old_low - first));
  return {};
}

void DictionaryWindow::clear() {
  slots_ = {};
  memory_ = {};
  overflows_.clear();
}

std::vector<uint64_t> DictionaryWindow::counts(size_t values) const {
  std::vector<uint64_t> result(values);
  for (const Slot& slot : slots_) {
    if (slot.mark != 0) result[slot.mark - 1] = slot.count;
  }
  for (const auto& [mark, times] : overflows_) result[mark - 1] += times << 32;
  return result;
}

}  // namespace prerank::ingest
