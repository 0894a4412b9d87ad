#include "arrow/dictionary_union.h"

#include <cstring>

#include "arrow/string_views.h"

namespace prerank::arrow {
namespace {

void set_bit(std::span<std::byte> bits, uint64_t index) { bits[index / 8] |= std::byte{1} << (index % 8); }

bool bit(std::span<const std::byte> bits, uint64_t index) {
  return (bits[index / 8] & (std::byte{1} << (index % 8))) != std::byte{0};
}

// The values of `first`, then those of `second`; `bytes` each.
void join(const Array& first, const Array& second, size_t bytes, std::byte* out) {
  for (const Array* const array : {&first, &second}) {
    const size_t size = array->length * bytes;
    if (size > 0) std::memcpy(out, array->buffers[0].data(), size);
    out += size;
  }
}

Status unite_views(const Array& first, const Array& second, BatchMemory& memory, Array& out) {
  const auto before = characters_of(first), added = characters_of(second);
  PRERANK_ASSIGN_OR_RETURN(const std::span<StringView> views, memory.allocate<StringView>(out.length));
  join(first, second, sizeof(StringView), std::as_writable_bytes(views).data());
  for (StringView& view : views.subspan(first.length)) {
    if (view.length > StringView::kInline) view.buffer += static_cast<int32_t>(before.size());
  }
  out.buffers.push_back(std::as_bytes(views));
  out.buffers.insert(out.buffers.end(), before.begin(), before.end());
  out.buffers.insert(out.buffers.end(), added.begin(), added.end());
  return add_lengths(memory, out);
}

}  // namespace

Result<Array> unite(const Type& type, const Array& first, const Array& second, BatchMemory& memory) {
  Array out;
  out.length = first.length + second.length;
  out.null_count = first.null_count + second.null_count;
  if (out.null_count > 0) {
    PRERANK_ASSIGN_OR_RETURN(const std::span<std::byte> validity, memory.allocate((out.length + 7) / 8));
    for (uint64_t i = 0; i < out.length; ++i) {
      if (i < first.length ? first.valid(i) : second.valid(i - first.length)) set_bit(validity, i);
    }
    out.validity = validity.data();
  }
  if (type.code == TypeCode::kUtf8View) {
    PRERANK_RETURN_IF_ERROR(unite_views(first, second, memory, out));
    return out;
  }
  const uint64_t bits = value_bits(type);
  PRERANK_ASSIGN_OR_RETURN(const std::span<std::byte> values, memory.allocate((out.length * bits + 7) / 8));
  if (bits == 1) {
    for (uint64_t i = 0; i < out.length; ++i) {
      const bool value = i < first.length ? bit(first.buffers[0], i) : bit(second.buffers[0], i - first.length);
      if (value) set_bit(values, i);
    }
  } else {
    join(first, second, static_cast<size_t>(bits / 8), values.data());
  }
  out.buffers.push_back(values);
  return out;
}

}  // namespace prerank::arrow
