#include "ingest/dictionary_text.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/xxhash.h"

namespace prerank::ingest {
namespace {

constexpr size_t kProbes = 32;  // values whose slots are fetched before the first of them is looked at

template <class T>
T load(const char* bytes) {
  T word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

// The first `count` < 8 bytes, zeros behind.
uint64_t load_few(const char* bytes, size_t count) {
  if (count >= 4) return load<uint32_t>(bytes) | uint64_t{load<uint32_t>(bytes + count - 4)} << (8 * (count - 4));
  uint64_t word = 0;
  for (size_t i = 0; i < count; ++i) word |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return word;
}

uint64_t mix(uint64_t head, uint64_t rest) {
  uint64_t bits = head * 0x9E3779B97F4A7C15u;
  bits = ((bits ^ (bits >> 32)) + rest) * 0xD6E8FEB86659FD93u;
  bits = (bits ^ (bits >> 29)) * 0xCA9B0C7EBA1DA115u;
  return bits ^ (bits >> 32);
}

}  // namespace

TextDictionary::Probe TextDictionary::probe(Key key) {
  Probe probe{0, 0, 0, static_cast<uint32_t>(key.size())};
  if (key.size() < 8) {
    probe.head = load_few(key.data(), key.size());
  } else {
    probe.head = load<uint64_t>(key.data());
    if (key.size() > kInline) {
      probe.hash = xxh64(key.data(), key.size());
      return probe;
    }
    probe.rest = static_cast<uint32_t>(load_few(key.data() + 8, key.size() - 8));
  }
  probe.hash = mix(probe.head, probe.rest | uint64_t{probe.length} << 32);
  return probe;
}

Status TextDictionary::reserve(size_t values) {
  return slots_.reserve(values, [](const Slot& slot) { return slot.probe.hash; });
}

// Where the value is, or the free slot where it belongs.
size_t TextDictionary::place_of(const Probe& probe, Key key) const {
  size_t place = slots_.first(probe.hash);
  for (;; place = slots_.next(place)) {
    const Slot& slot = slots_[place];
    if (slot.mark == 0) return place;
    if (slot.probe.head != probe.head || slot.probe.length != probe.length || slot.probe.rest != probe.rest) continue;
    if (probe.length <= kInline) return place;
    if (slot.probe.hash == probe.hash && texts_[slot.mark - 1] == key) return place;
  }
}

Result<const char*> TextDictionary::store(Key key) {
  if (key.size() > arena_left_) {
    const size_t size = std::max(kArena, key.size());
    arena_.emplace_back(new (std::nothrow) char[size]);
    if (arena_.back() == nullptr) return Status(Code::kOutOfMemory, "no memory for a vocabulary");
    arena_next_ = arena_.back().get();
    arena_left_ = size;
    arena_bytes_ += size;
  }
  char* const text = arena_next_;
  if (!key.empty()) std::memcpy(text, key.data(), key.size());
  arena_next_ += key.size();
  arena_left_ -= key.size();
  return text;
}

Status TextDictionary::put(size_t place, const Probe& probe, Key key) {
  PRERANK_ASSIGN_OR_RETURN(const char* const text, store(key));
  texts_.emplace_back(text, key.size());
  slots_[place] = {probe, static_cast<uint32_t>(texts_.size()), 0};
  return {};
}

Result<uint32_t> TextDictionary::insert(Key key) {
  PRERANK_RETURN_IF_ERROR(reserve(texts_.size() + 1));
  const Probe wanted = probe(key);
  const size_t place = place_of(wanted, key);
  if (slots_[place].mark == 0) PRERANK_RETURN_IF_ERROR(put(place, wanted, key));
  return slots_[place].mark - 1;
}

Status TextDictionary::add(std::span<const std::string> values) {
  PRERANK_RETURN_IF_ERROR(reserve(texts_.size() + values.size()));
  texts_.reserve(texts_.size() + values.size());
  for (const std::string& value : values) {
    const size_t before = texts_.size();
    PRERANK_ASSIGN_OR_RETURN([[maybe_unused]] const uint32_t index, insert(value));
    if (texts_.size() == before) return {Code::kInvalidArgument, "the value \"" + value + "\" is given twice"};
  }
  return {};
}

Status TextDictionary::learn(const Elements& elements, uint32_t* codes, HyperLogLog* sketch) {
  Probe probes[kProbes];
  for (size_t from = 0; from < elements.count; from += kProbes) {
    const size_t count = std::min(kProbes, elements.count - from);
    PRERANK_RETURN_IF_ERROR(reserve(texts_.size() + count));
    for (size_t i = 0; i < count; ++i) {
      probes[i] = probe(elements.view->text(elements.row(from + i)));
      slots_.prefetch(probes[i].hash);
    }
    for (size_t i = 0; i < count; ++i) {
      const Key key = elements.view->text(elements.row(from + i));
      const size_t place = place_of(probes[i], key);
      if (slots_[place].mark == 0) PRERANK_RETURN_IF_ERROR(put(place, probes[i], key));
      slots_.count(slots_[place]);
      codes[from + i] = slots_[place].mark - 1 + base_;
    }
    if (sketch != nullptr) {
      for (size_t i = 0; i < count; ++i) sketch->add(probes[i].hash);
    }
  }
  return {};
}

void TextDictionary::find(const Elements& elements, uint32_t* codes, HyperLogLog* sketch) {
  Probe probes[kProbes];
  for (size_t from = 0; from < elements.count; from += kProbes) {
    const size_t count = std::min(kProbes, elements.count - from);
    for (size_t i = 0; i < count; ++i) {
      probes[i] = probe(elements.view->text(elements.row(from + i)));
      slots_.prefetch(probes[i].hash);
    }
    for (size_t i = 0; i < count; ++i) {
      const Slot& slot = slots_[place_of(probes[i], elements.view->text(elements.row(from + i)))];
      codes[from + i] = slot.mark == 0 ? 0 : slot.mark - 1 + base_;
    }
    if (sketch != nullptr) {
      for (size_t i = 0; i < count; ++i) sketch->add(probes[i].hash);
    }
  }
}

}  // namespace prerank::ingest
