// A dictionary of 64-bit integers: a window over their range while that takes no more memory than hashing them.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "ingest/dictionary.h"
#include "ingest/dictionary_slots.h"
#include "ingest/dictionary_window.h"

namespace prerank::ingest {

class IntDictionary final : public Dictionary {
 public:
  using Key = int64_t;

  explicit IntDictionary(uint32_t base) : base_(base) {}

  Status add(std::span<const std::string> values) override;
  Status learn(const Elements& elements, uint32_t* codes, HyperLogLog* sketch) override;
  void find(const Elements& elements, uint32_t* codes, HyperLogLog* sketch) override;
  ValueType type() const override { return ValueType::kInt; }
  size_t size() const override { return keys_.size(); }
  size_t bytes() const override { return slots_.bytes() + window_.bytes() + keys_.capacity() * sizeof(Key); }
  std::vector<uint64_t> counts() const override {
    return window_.empty() ? slots_.counts(keys_.size()) : window_.counts(keys_.size());
  }

  Key key(size_t index) const { return keys_[index]; }
  // The index of a value, which is added when it is new.
  Result<uint32_t> insert(Key key);

  // Whether a column of unsigned 64-bit integers was read: keys then stand for unsigned numbers.
  bool is_unsigned() const { return is_unsigned_; }
  void take_sign(const IntDictionary& other) { is_unsigned_ = is_unsigned_ || other.is_unsigned_; }
  bool less(Key a, Key b) const;
  std::string text(Key key) const;

 private:
  struct Slot {
    Key key;
    uint32_t mark;
    uint32_t count;
  };
  static uint64_t hash(Key key) {
    uint64_t bits = static_cast<uint64_t>(key) * 0x9E3779B97F4A7C15u;
    bits = (bits ^ (bits >> 32)) * 0xD6E8FEB86659FD93u;
    return bits ^ (bits >> 32);
  }
  // Makes room for keys that may be new.
  Status make_room(std::span<const Key> keys);
  Status use_window(Key low, Key high);
  Status use_slots(size_t values);
  void learn_in_window(std::span<const Key> keys, uint32_t* codes);
  void learn_hashed(std::span<const Key> keys, uint32_t* codes);
  void find_in_window(std::span<const Key> keys, uint32_t* codes);
  void find_hashed(std::span<const Key> keys, uint32_t* codes);
  static void hash_keys(std::span<const Key> keys, uint64_t* hashes);
  static void sketch_keys(std::span<const Key> keys, HyperLogLog& sketch);
  // The slot of a value, or the free one where it belongs.
  Slot& slot_of(Key key, uint64_t hash) {
    size_t place = slots_.first(hash);
    while (slots_[place].mark != 0 && slots_[place].key != key) place = slots_.next(place);
    return slots_[place];
  }
  // The slot of a value, which is added when it is new; there must be room.
  Slot& learnt(Key key, uint64_t hash) {
    Slot& slot = slot_of(key, hash);
    if (slot.mark == 0) slot = {key, add_key(key), 0};
    return slot;
  }
  DictionaryWindow::Slot& learnt(Key key) {
    DictionaryWindow::Slot& slot = window_[key];
    if (slot.mark == 0) slot.mark = add_key(key);
    return slot;
  }
  // Returns its mark.
  uint32_t add_key(Key key) {
    keys_.push_back(key);
    low_ = std::min(low_, key);
    high_ = std::max(high_, key);
    return static_cast<uint32_t>(keys_.size());
  }

  uint32_t base_;
  bool is_unsigned_ = false;
  // One of them is in use.
  DictionarySlots<Slot> slots_;
  DictionaryWindow window_;
  std::vector<Key> keys_;
  Key low_ = std::numeric_limits<Key>::max(), high_ = std::numeric_limits<Key>::min();  // of keys_
  std::vector<int64_t> scratch_;
};

}  // namespace prerank::ingest
