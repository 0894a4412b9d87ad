#include "ingest/dictionary_int.h"

#include <algorithm>
#include <charconv>

#include "ingest/id_values.h"

namespace prerank::ingest {
namespace {

constexpr size_t kAhead = 32;  // values whose slots are fetched before the first of them is looked at

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

Status IntDictionary::reserve(size_t values) {
  return slots_.reserve(values, [](const Slot& slot) { return hash(slot.key); });
}

Result<uint32_t> IntDictionary::insert(Key key) {
  PRERANK_RETURN_IF_ERROR(reserve(keys_.size() + 1));
  return learnt(key, hash(key)).mark - 1;
}

Status IntDictionary::add(std::span<const std::string> values) {
  PRERANK_RETURN_IF_ERROR(reserve(keys_.size() + values.size()));
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
  uint64_t hashes[kAhead];
  for (size_t from = 0; from < elements.count; from += kAhead) {
    const size_t count = std::min(kAhead, elements.count - from);
    PRERANK_RETURN_IF_ERROR(reserve(keys_.size() + count));
    for (size_t i = 0; i < count; ++i) {
      hashes[i] = hash(keys[from + i]);
      slots_.prefetch(hashes[i]);
    }
    for (size_t i = 0; i < count; ++i) {
      Slot& slot = learnt(keys[from + i], hashes[i]);
      slots_.count(slot);
      codes[from + i] = slot.mark - 1 + base_;
    }
    if (sketch != nullptr) {
      for (size_t i = 0; i < count; ++i) sketch->add(hashes[i]);
    }
  }
  return {};
}

void IntDictionary::find(const Elements& elements, uint32_t* codes, HyperLogLog* sketch) {
  const Key* const keys = read_ints(elements, scratch_);
  uint64_t hashes[kAhead];
  for (size_t from = 0; from < elements.count; from += kAhead) {
    const size_t count = std::min(kAhead, elements.count - from);
    for (size_t i = 0; i < count; ++i) {
      hashes[i] = hash(keys[from + i]);
      slots_.prefetch(hashes[i]);
    }
    for (size_t i = 0; i < count; ++i) {
      const Slot& slot = slot_of(keys[from + i], hashes[i]);
      codes[from + i] = slot.mark == 0 ? 0 : slot.mark - 1 + base_;
    }
    if (sketch != nullptr) {
      for (size_t i = 0; i < count; ++i) sketch->add(hashes[i]);
    }
  }
}

bool IntDictionary::less(Key a, Key b) const {
  return is_unsigned_ ? static_cast<uint64_t>(a) < static_cast<uint64_t>(b) : a < b;
}

std::string IntDictionary::text(Key key) const {
  return is_unsigned_ ? std::to_string(static_cast<uint64_t>(key)) : std::to_string(key);
}

}  // namespace prerank::ingest
