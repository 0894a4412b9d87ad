// Open addressing with linear probing: the part that dictionaries of integers and of strings share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "prerank/status.h"

namespace prerank::ingest {

// Slot: `uint32_t mark` (index of the value + 1; 0: free) and `uint32_t count`, and what its owner needs besides. All
// zeros is a free slot.
template <class Slot>
class DictionarySlots {
 public:
  static constexpr size_t kMostValues = std::numeric_limits<uint32_t>::max() - 1;

  size_t capacity() const { return slots_.size(); }
  // What reserve() makes of it.
  size_t capacity_for(size_t values) const {
    size_t capacity = slots_.empty() ? kLeast : slots_.size();
    while (capacity < values * 2) capacity *= 2;
    return capacity;
  }
  void clear() {
    slots_ = {};
    memory_ = {};
    overflows_.clear();
  }
  size_t bytes() const { return memory_.bytes(); }
  size_t first(uint64_t hash) const { return hash >> shift_; }
  size_t next(size_t place) const { return (place + 1) & (slots_.size() - 1); }
  Slot& operator[](size_t place) { return slots_[place]; }
  const Slot& operator[](size_t place) const { return slots_[place]; }
  void prefetch(uint64_t hash) const { __builtin_prefetch(&slots_[first(hash)], 1); }

  // Makes room for `values` values, half of it free; some room for none. `hash_of(slot)` says where a slot's value
  // belongs.
  template <class HashOf>
  Status reserve(size_t values, HashOf&& hash_of) {
    if (values > kMostValues) return {Code::kOutOfRange, "a vocabulary has more than 2^32 - 2 values"};
    if (!slots_.empty() && values * 2 <= slots_.size()) return {};
    const size_t capacity = capacity_for(values);
    auto memory = AlignedBuffer::allocate(capacity * sizeof(Slot));
    if (!memory.ok()) return memory.status();
    const AlignedBuffer old_memory = std::exchange(memory_, std::move(memory).value());
    const std::span<Slot> old = std::exchange(slots_, memory_.as<Slot>());
    shift_ = __builtin_clzll(capacity) + 1;
    for (const Slot& slot : old) {
      if (slot.mark == 0) continue;
      size_t place = first(hash_of(slot));
      while (slots_[place].mark != 0) place = next(place);
      slots_[place] = slot;
    }
    return {};
  }

  void count(Slot& slot) {
    if (++slot.count == 0) [[unlikely]] ++overflows_[slot.mark];
  }

  void set_count(Slot& slot, uint64_t count) {
    slot.count = static_cast<uint32_t>(count);
    if (count >> 32 != 0) overflows_[slot.mark] = count >> 32;
  }
  // By order of coming, for `values` values.
  std::vector<uint64_t> counts(size_t values) const {
    std::vector<uint64_t> result(values);
    for (const Slot& slot : slots_) {
      if (slot.mark != 0) result[slot.mark - 1] = slot.count;
    }
    for (const auto& [mark, times] : overflows_) result[mark - 1] += times << 32;
    return result;
  }

 private:
  static constexpr size_t kLeast = 1024;

  AlignedBuffer memory_;
  std::span<Slot> slots_;
  int shift_ = 63;
  std::unordered_map<uint32_t, uint64_t> overflows_;  // by mark: how often the count of 32 bits went round
};

}  // namespace prerank::ingest
