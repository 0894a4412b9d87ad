// Codes of integers that lie close together: one place for each integer of a range. Logs number their users, ads and
// categories, so a value's place is mostly known without a search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/aligned_buffer.h"
#include "prerank/status.h"

namespace prerank::ingest {

class DictionaryWindow {
 public:
  struct Slot {
    uint32_t mark;  // index of the value + 1; 0: free
    uint32_t count;
  };

  bool empty() const { return slots_.empty(); }
  size_t size() const { return slots_.size(); }
  size_t bytes() const { return memory_.bytes(); }
  bool holds(int64_t key) const { return offset(key) < slots_.size(); }
  // Of a key that the window holds.
  Slot& operator[](int64_t key) { return slots_[offset(key)]; }
  // Of any key.
  void prefetch(int64_t key) const { __builtin_prefetch(slots_.data() + offset(key), 1); }

  // Makes a range that holds low … high (low <= high) besides the present one, all of its new slots free.
  Status cover(int64_t low, int64_t high);
  void clear();

  void count(Slot& slot) {
    if (++slot.count == 0) [[unlikely]] ++overflows_[slot.mark];
  }
  void set_count(Slot& slot, uint64_t count) {
    slot.count = static_cast<uint32_t>(count);
    if (count >> 32 != 0) overflows_[slot.mark] = count >> 32;
  }
  // By order of coming, for `values` values.
  std::vector<uint64_t> counts(size_t values) const;

 private:
  // Wraps around for keys below the range.
  uint64_t offset(int64_t key) const { return static_cast<uint64_t>(key) - low_; }

  AlignedBuffer memory_;
  std::span<Slot> slots_;
  uint64_t low_ = 0;
  std::unordered_map<uint32_t, uint64_t> overflows_;  // by mark: how often the count of 32 bits went round
};

}  // namespace prerank::ingest
