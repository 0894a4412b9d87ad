#include "arrow/utf8.h"

#include <cstdint>
#include <cstring>

namespace prerank::arrow {
namespace {

struct Lead {
  size_t more;      // continuation bytes
  uint8_t low = 0x80, high = 0xBF;  // range of the first of them
};

// `more` is 0 for a byte that begins no character of several bytes.
Lead lead_of(uint8_t byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {1};
  if (byte == 0xE0) return {2, 0xA0, 0xBF};
  if (byte == 0xED) return {2, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {2};
  if (byte == 0xF0) return {3, 0x90, 0xBF};
  if (byte == 0xF4) return {3, 0x80, 0x8F};
  if (byte >= 0xF1 && byte <= 0xF3) return {3};
  return {0};
}

}  // namespace

bool is_utf8(std::span<const std::byte> text) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  size_t i = 0;
  while (i < text.size()) {
    uint64_t eight = 0;
    if (text.size() - i >= sizeof(eight)) {
      std::memcpy(&eight, text.data() + i, sizeof(eight));
      if ((eight & kHighBits) == 0) {
        i += sizeof(eight);
        continue;
      }
    }
    const auto byte = static_cast<uint8_t>(text[i++]);
    if (byte < 0x80) continue;
    const Lead lead = lead_of(byte);
    if (lead.more == 0 || text.size() - i < lead.more) return false;
    const auto first = static_cast<uint8_t>(text[i]);
    if (first < lead.low || first > lead.high) return false;
    for (size_t k = 1; k < lead.more; ++k) {
      if (!is_continuation(text[i + k])) return false;
    }
    i += lead.more;
  }
  return true;
}

}  // namespace prerank::arrow
