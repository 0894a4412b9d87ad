#include "arrow/flatbuffer_view.h"

namespace prerank::arrow {

size_t FlatBufferView::field(Table table, size_t slot) {
  if (!table) return 0;
  const int64_t vtable = static_cast<int64_t>(table.at) - load<int32_t>(table.at);
  if (vtable < 0) {
    broken_ = true;
    return 0;
  }
  const auto begin = static_cast<size_t>(vtable);
  const size_t entry = sizeof(uint16_t) * (2 + slot);
  if (entry + sizeof(uint16_t) > load<uint16_t>(begin)) return 0;
  const auto offset = load<uint16_t>(begin + entry);
  if (offset >= load<uint16_t>(begin + sizeof(uint16_t))) broken_ = true;
  return offset == 0 || broken_ ? 0 : table.at + offset;
}

FlatBufferView::Table FlatBufferView::follow(size_t at) {
  const auto distance = load<uint32_t>(at);
  const size_t target = at + distance;
  if (distance == 0 || target >= bytes_.size()) {
    broken_ = true;
    return {};
  }
  return {target};
}

FlatBufferView::Table FlatBufferView::table(Table parent, size_t slot) {
  const size_t at = field(parent, slot);
  return at == 0 ? Table() : follow(at);
}

FlatBufferView::Vector FlatBufferView::vector(Table table, size_t slot, size_t element_bytes) {
  const size_t at = field(table, slot);
  if (at == 0) return {};
  const Table target = follow(at);
  const size_t count = load<uint32_t>(target.at);
  const size_t begin = target.at + sizeof(uint32_t);
  if (broken_ || begin > bytes_.size() || count > (bytes_.size() - begin) / element_bytes) {
    broken_ = true;
    return {};
  }
  return {begin, count};
}

std::string_view FlatBufferView::string(Table table, size_t slot) {
  const Vector text = vector(table, slot, 1);
  if (text.count == 0) return {};
  return {reinterpret_cast<const char*>(bytes_.data() + text.at), text.count};
}

}  // namespace prerank::arrow
