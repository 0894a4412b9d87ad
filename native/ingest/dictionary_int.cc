#include "ingest/dictionary_int.h"

#include <algorithm>
#include <charconv>

#include "ingest/id_values.h"

namespace prerank::ingest {
namespace {

constexpr size_t kRoomAtOnce = 1024;  // values that get room together
constexpr size_t kAhead = 24;     // a value's slot is fetched while so many before it are looked at

// Decimal text of a signed or an unsigned 64-bit integer; `is_unsigned` is set when no signed one holds it.
bool parse(const std::string& text, int64_t& key, bool& is_unsigned) {
  const char* const end = text.data() + text.size();
  const auto whole = [end](const std::from_chars_result& read) { return read.ec == std::errc() && read.ptr == end; };
  if (whole(std::from_chars(text.data(), end, key))) return true;
  uint64_t bits = 0;
  if (!whole(std::from_chars(text.data(), end, bits))) return false;
  is_unsigned = true;
  key = static_cast<int64_t>(bits);
  return true;
}

}  // namespace

// The window when it takes no more memory than hashing the same values.
Status IntDictionary::make_room(std::span<const Key> keys) {
  const size_t values = keys_.size() + keys.size();
  if (values > slots_.kMostValues) return {Code::kOutOfRange, "a vocabulary has more than 2^32 - 2 values"};
  if (window_.empty()) {
    if (values * 2 <= slots_.capacity()) return {};
  } else {
    bool inside = true;
    for (const Key key : keys) inside &= window_.holds(key);
    if (inside) return {};
  }
  const auto [least, most] = std::ranges::minmax(keys);
  const Key low = std::min(least, low_), high = std::max(most, high_);
  const uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  const size_t hashed = slots_.capacity_for(values) * sizeof(Slot);
  return range < hashed / sizeof(DictionaryWindow::Slot) ? use_window(low, high) : use_slots(values);
}

Status IntDictionary::use_window(Key low, Key high) {
  PRERANK_RETURN_IF_ERROR(window_.cover(low, high));
  if (slots_.capacity() == 0) return {};
  const std::vector<uint64_t> counts = slots_.counts(keys_.size());
  for (size_t i = 0; i < keys_.size(); ++i) {
    DictionaryWindow::Slot& slot = window_[keys_[i]];
    slot.mark = static_cast<uint32_t>(i + 1);
    window_.set_count(slot, counts[i]);
  }
  slots_.clear();
  return {};
}

Status IntDictionary::use_slots(size_t values) {
  PRERANK_RETURN_IF_ERROR(slots_.reserve(values, [](const Slot& slot) { return hash(slot.key); }));
  if (window_.empty()) return {};
  const std::vector<uint64_t> counts = window_.counts(keys_.size());
  for (size_t i = 0; i < keys_.size(); ++i) {
    Slot& slot = slot_of(keys_[i], hash(keys_[i]));
    slot = {keys_[i], static_cast<uint32_t>(i + 1), 0};
    slots_.set_count(slot, counts[i]);
  }
  window_.clear();
  return {};
}

Result<uint32_t> IntDictionary::insert(Key key) {
  PRERANK_RETURN_IF_ERROR(make_room({&key, 1}));
  return (window_.empty() ? learnt(key, hash(key)).mark : learnt(key).mark) - 1;
}

Status IntDictionary::add(std::span<const std::string> values) {
  keys_.reserve(keys_.size() + values.size());
  for (const std::string& value : values) {
    Key key = 0;
    if (!parse(value, key, is_unsigned_)) return {Code::kInvalidArgument, "\"" + value + "\" is no 64-bit integer"};
    const size_t before = keys_.size();
    PRERANK_ASSIGN_OR_RETURN([[maybe_unused]] const uint32_t index, insert(key));
    if (keys_.size() == before) return {Code::kInvalidArgument, "the value " + value + " is given twice"};
  }
  return {};
}

Status IntDictionary::learn(const Elements& elements, uint32_t* codes, HyperLogLog* sketch) {
  is_unsigned_ = is_unsigned_ || elements.view->type == Physical::kUint64;
  const Key* const keys = read_ints(elements, scratch_);
  for (size_t from = 0; from < elements.count; from += kRoomAtOnce) {
    const std::span block(keys + from, std::min(kRoomAtOnce, elements.count - from));
    PRERANK_RETURN_IF_ERROR(make_room(block));
    if (window_.empty()) learn_hashed(block, codes + from);
    else learn_in_window(block, codes + from);
  }
  if (sketch != nullptr) sketch_keys({keys, elements.count}, *sketch);
  return {};
}

void IntDictionary::learn_in_window(std::span<const Key> keys, uint32_t* codes) {
  for (size_t i = 0; i < keys.size(); ++i) {
    window_.prefetch(keys[std::min(i + kAhead, keys.size() - 1)]);
    DictionaryWindow::Slot& slot = learnt(keys[i]);
    window_.count(slot);
    codes[i] = slot.mark - 1 + base_;
  }
}

void IntDictionary::learn_hashed(std::span<const Key> keys, uint32_t* codes) {
  uint64_t hashes[kRoomAtOnce];
  hash_keys(keys, hashes);
  for (size_t i = 0; i < keys.size(); ++i) {
    slots_.prefetch(hashes[std::min(i + kAhead, keys.size() - 1)]);
    Slot& slot = learnt(keys[i], hashes[i]);
    slots_.count(slot);
    codes[i] = slot.mark - 1 + base_;
  }
}

void IntDictionary::find(const Elements& elements, uint32_t* codes, HyperLogLog* sketch) {
  const Key* const keys = read_ints(elements, scratch_);
  for (size_t from = 0; from < elements.count; from += kRoomAtOnce) {
    const std::span block(keys + from, std::min(kRoomAtOnce, elements.count - from));
    if (keys_.empty()) std::fill_n(codes + from, block.size(), 0u);
    else if (window_.empty()) find_hashed(block, codes + from);
    else find_in_window(block, codes + from);
  }
  if (sketch != nullptr) sketch_keys({keys, elements.count}, *sketch);
}

void IntDictionary::find_in_window(std::span<const Key> keys, uint32_t* codes) {
  for (size_t i = 0; i < keys.size(); ++i) {
    window_.prefetch(keys[std::min(i + kAhead, keys.size() - 1)]);
    const uint32_t mark = window_.holds(keys[i]) ? window_[keys[i]].mark : 0;
    codes[i] = mark == 0 ? 0 : mark - 1 + base_;
  }
}

void IntDictionary::find_hashed(std::span<const Key> keys, uint32_t* codes) {
  uint64_t hashes[kRoomAtOnce];
  hash_keys(keys, hashes);
  for (size_t i = 0; i < keys.size(); ++i) {
    slots_.prefetch(hashes[std::min(i + kAhead, keys.size() - 1)]);
    const Slot& slot = slot_of(keys[i], hashes[i]);
    codes[i] = slot.mark == 0 ? 0 : slot.mark - 1 + base_;
  }
}

void IntDictionary::hash_keys(std::span<const Key> keys, uint64_t* hashes) {
  for (size_t i = 0; i < keys.size(); ++i) hashes[i] = hash(keys[i]);
}

void IntDictionary::sketch_keys(std::span<const Key> keys, HyperLogLog& sketch) {
  for (const Key key : keys) sketch.add(hash(key));
}

bool IntDictionary::less(Key a, Key b) const {
  return is_unsigned_ ? static_cast<uint64_t>(a) < static_cast<uint64_t>(b) : a < b;
}

std::string IntDictionary::text(Key key) const {
  return is_unsigned_ ? std::to_string(static_cast<uint64_t>(key)) : std::to_string(key);
}

}  // namespace prerank::ingest
