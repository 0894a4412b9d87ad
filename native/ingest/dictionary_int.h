// A dictionary of 64-bit integers.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "ingest/dictionary.h"
#include "ingest/dictionary_slots.h"

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
  size_t bytes() const override { return slots_.bytes() + keys_.capacity() * sizeof(Key); }
  std::vector<uint64_t> counts() const override { return slots_.counts(keys_.size()); }

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
  Status reserve(size_t values);
  // The slot of a value, or the free one where it belongs.
  Slot& slot_of(Key key, uint64_t hash) {
    size_t place = slots_.first(hash);
    while (slots_[place].mark != 0 && slots_[place].key != key) place = slots_.next(place);
    return slots_[place];
  }
  // The slot of a value, which is added when it is new; there must be room.
  Slot& learnt(Key key, uint64_t hash) {
    Slot& slot = slot_of(key, hash);
    if (slot.mark == 0) {
      keys_.push_back(key);
      slot = {key, static_cast<uint32_t>(keys_.size()), 0};
    }
    return slot;
  }

  uint32_t base_;
  bool is_unsigned_ = false;
  DictionarySlots<Slot> slots_;
  std::vector<Key> keys_;
  std::vector<int64_t> scratch_;
};

}  // namespace prerank::ingest
