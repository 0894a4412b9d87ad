#include "arrow/string_views.h"

#include <cstring>
#include <limits>

#include "arrow/utf8.h"

namespace prerank::arrow {

std::span<const std::span<const std::byte>> characters_of(const Array& views) {
  return std::span(views.buffers).subspan(1, views.buffers.size() - 2);
}

Status add_lengths(BatchMemory& memory, Array& views) {
  const size_t count = views.buffers.size() - 1;
  PRERANK_ASSIGN_OR_RETURN(const std::span<int64_t> lengths, memory.allocate<int64_t>(count));
  for (size_t i = 0; i < count; ++i) lengths[i] = static_cast<int64_t>(views.buffers[i + 1].size());
  views.buffers.push_back(std::as_bytes(lengths));
  return {};
}

bool is_sound(const StringView& view, std::span<const std::span<const std::byte>> characters) {
  if (view.length < 0) return false;
  const auto length = static_cast<size_t>(view.length);
  if (view.length <= StringView::kInline) {
    std::byte text[StringView::kInline] = {};
    std::memcpy(text, reinterpret_cast<const std::byte*>(&view) + sizeof(view.length), length);
    return is_utf8({text, length});
  }
  if (view.buffer < 0 || static_cast<size_t>(view.buffer) >= characters.size() || view.offset < 0) return false;
  const auto buffer = characters[static_cast<size_t>(view.buffer)];
  const auto offset = static_cast<size_t>(view.offset);
  if (offset > buffer.size() || length > buffer.size() - offset) return false;
  const auto text = buffer.subspan(offset, length);
  return std::memcmp(text.data(), view.prefix, StringView::kPrefix) == 0 && is_utf8(text);
}

template <class Offset>
Status to_views(BatchMemory& memory, Array& strings) {
  const auto* const offsets = reinterpret_cast<const Offset*>(strings.buffers[0].data());
  const auto characters = strings.buffers[1];
  if (characters.size() > size_t{std::numeric_limits<int32_t>::max()}) {
    return {Code::kInvalidArgument, "a dictionary of more than 2 GiB, which is not read"};
  }
  PRERANK_ASSIGN_OR_RETURN(const std::span<StringView> views, memory.allocate<StringView>(strings.length));
  for (uint64_t i = 0; i < strings.length; ++i) {
    StringView& view = views[i];
    const auto text = characters.subspan(static_cast<size_t>(offsets[i]), static_cast<size_t>(offsets[i + 1] - offsets[i]));
    view.length = static_cast<int32_t>(text.size());
    if (view.length <= StringView::kInline) {
      if (!text.empty()) {
        std::memcpy(reinterpret_cast<std::byte*>(&view) + sizeof(view.length), text.data(), text.size());
      }
    } else {
      std::memcpy(view.prefix, text.data(), StringView::kPrefix);
      view.offset = static_cast<int32_t>(offsets[i]);
    }
  }
  strings.buffers[0] = std::as_bytes(views);
  return add_lengths(memory, strings);
}

template Status to_views<int32_t>(BatchMemory&, Array&);
template Status to_views<int64_t>(BatchMemory&, Array&);

}  // namespace prerank::arrow
