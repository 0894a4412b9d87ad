#include "arrow/flatbuffer_builder.h"

#include <utility>

namespace prerank::arrow {

void FlatBufferBuilder::align(size_t alignment, size_t bytes) {
  while ((reversed_.size() + bytes) % alignment != 0) reversed_.push_back(std::byte{0});
}

// The size is a multiple of 4; a reference is the distance from itself to its object.
void FlatBufferBuilder::push_ref(Ref object) { push(static_cast<uint32_t>(here() + sizeof(uint32_t) - object)); }

void FlatBufferBuilder::mark(size_t slot) {
  if (slots_.size() <= slot) slots_.resize(slot + 1);
  slots_[slot] = here();
}

FlatBufferBuilder::Ref FlatBufferBuilder::raw_vector(std::span<const std::byte> bytes, size_t count) {
  align(8, bytes.size());
  reversed_.insert(reversed_.end(), bytes.rbegin(), bytes.rend());
  push(static_cast<uint32_t>(count));
  return here();
}

FlatBufferBuilder::Ref FlatBufferBuilder::string(std::string_view text) {
  align(sizeof(uint32_t), text.size() + 1);
  reversed_.push_back(std::byte{0});
  const auto bytes = std::as_bytes(std::span(text));
  reversed_.insert(reversed_.end(), bytes.rbegin(), bytes.rend());
  push(static_cast<uint32_t>(text.size()));
  return here();
}

FlatBufferBuilder::Ref FlatBufferBuilder::refs(std::span<const Ref> objects) {
  align(sizeof(uint32_t), 0);
  for (size_t i = objects.size(); i-- > 0;) push_ref(objects[i]);
  push(static_cast<uint32_t>(objects.size()));
  return here();
}

void FlatBufferBuilder::begin_table() {
  slots_.clear();
  table_begin_ = reversed_.size();
}

void FlatBufferBuilder::ref(size_t slot, Ref object) {
  align(sizeof(uint32_t), 0);
  push_ref(object);
  mark(slot);
}

// The table's vtable lies directly before it.
FlatBufferBuilder::Ref FlatBufferBuilder::end_table() {
  const size_t vtable_bytes = sizeof(uint16_t) * (2 + slots_.size());
  align(sizeof(int32_t), 0);
  push(static_cast<int32_t>(vtable_bytes));
  const Ref table = here();
  for (size_t i = slots_.size(); i-- > 0;) push(static_cast<uint16_t>(slots_[i] == 0 ? 0 : table - slots_[i]));
  push(static_cast<uint16_t>(table - table_begin_));
  push(static_cast<uint16_t>(vtable_bytes));
  return table;
}

std::vector<std::byte> FlatBufferBuilder::finish(Ref root) {
  align(8, sizeof(uint32_t));
  push_ref(root);
  const std::vector<std::byte> reversed = std::exchange(reversed_, {});
  slots_.clear();
  return {reversed.rbegin(), reversed.rend()};
}

}  // namespace prerank::arrow
