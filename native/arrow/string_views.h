// String views (Arrow's "Variable-size Binary View Layout"): 16 bytes each, short strings inline.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "arrow/array.h"
#include "arrow/batch_memory.h"
#include "prerank/status.h"

namespace prerank::arrow {

struct StringView {
  static constexpr int32_t kInline = 12;
  static constexpr size_t kPrefix = 4;

  int32_t length = 0;
  std::byte prefix[kPrefix] = {};  // with what follows: the string, when it is short
  int32_t buffer = 0;
  int32_t offset = 0;
};
static_assert(sizeof(StringView) == 16);

// In an Array of string views the first buffer has the views, the last one the lengths (int64) of those between, which
// have the characters.
std::span<const std::span<const std::byte>> characters_of(const Array& views);
Status add_lengths(BatchMemory& memory, Array& views);

// Checks that a view lies inside the characters and is UTF-8.
bool is_sound(const StringView& view, std::span<const std::span<const std::byte>> characters);

// Strings with 32- or 64-bit offsets as views of their characters.
template <class Offset>
Status to_views(BatchMemory& memory, Array& strings);
extern template Status to_views<int32_t>(BatchMemory&, Array&);
extern template Status to_views<int64_t>(BatchMemory&, Array&);

}  // namespace prerank::arrow
