// A dictionary of strings.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/dictionary.h"
#include "ingest/dictionary_slots.h"

namespace prerank::ingest {

class TextDictionary final : public Dictionary {
 public:
  using Key = std::string_view;

  explicit TextDictionary(uint32_t base) : base_(base) {}

  Status add(std::span<const std::string> values) override;
  Status learn(const Elements& elements, uint32_t* codes, HyperLogLog* sketch) override;
  void find(const Elements& elements, uint32_t* codes, HyperLogLog* sketch) override;
  ValueType type() const override { return ValueType::kString; }
  size_t size() const override { return texts_.size(); }
  size_t bytes() const override { return slots_.bytes() + texts_.capacity() * sizeof(Key) + arena_bytes_; }
  std::vector<uint64_t> counts() const override { return slots_.counts(texts_.size()); }

  Key key(size_t index) const { return texts_[index]; }
  // The index of a value, which is added when it is new.
  Result<uint32_t> insert(Key key);

  void take_sign(const TextDictionary&) {}
  bool less(Key a, Key b) const { return a < b; }  // by bytes
  std::string text(Key key) const { return std::string(key); }

 private:
  // Strings up to 12 bytes lie in their slot, so that they are told apart without another cache line.
  struct Probe {
    uint64_t hash;
    uint64_t head;  // the first 8 bytes, zeros behind
    uint32_t rest;  // bytes 8 … 11, likewise; of longer strings 0
    uint32_t length;
  };
  struct Slot {
    Probe probe;
    uint32_t mark;
    uint32_t count;
  };
  static constexpr uint32_t kInline = 12;
  static constexpr size_t kArena = size_t{1} << 20;

  static Probe probe(Key key);
  Status reserve(size_t values);
  size_t place_of(const Probe& probe, Key key) const;
  Status put(size_t place, const Probe& probe, Key key);
  Result<const char*> store(Key key);

  uint32_t base_;
  DictionarySlots<Slot> slots_;
  std::vector<Key> texts_;  // into the arena
  std::vector<std::unique_ptr<char[]>> arena_;
  size_t arena_left_ = 0;
  size_t arena_bytes_ = 0;
  char* arena_next_ = nullptr;
};

}  // namespace prerank::ingest
