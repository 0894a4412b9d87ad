// UTF-8 validity (Unicode 15, table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF).
#pragma once

#include <cstddef>
#include <span>

namespace prerank::arrow {

bool is_utf8(std::span<const std::byte> text);

// Whether a byte continues a character that began before it.
inline bool is_continuation(std::byte byte) { return (byte & std::byte{0xC0}) == std::byte{0x80}; }

}  // namespace prerank::arrow
