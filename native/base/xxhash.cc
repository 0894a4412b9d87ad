#include "base/xxhash.h"

#include <bit>
#include <cstring>

namespace prerank {
namespace {

static_assert(std::endian::native == std::endian::little, "XXH64 reads little-endian words");

uint64_t read64(const unsigned char* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof(word));
  return word;
}

uint32_t read32(const unsigned char* p) {
  uint32_t word;
  std::memcpy(&word, p, sizeof(word));
  return word;
}

uint64_t mix(uint64_t lane, uint64_t word) { return std::rotl(lane + word * kXxhPrime2, 31) * kXxhPrime1; }

uint64_t merge(uint64_t hash, uint64_t lane) { return (hash ^ mix(0, lane)) * kXxhPrime1 + kXxhPrime4; }

}  // namespace

uint64_t xxh64(const void* data, size_t bytes, uint64_t seed) {
  const auto* p = static_cast<const unsigned char*>(data);
  size_t left = bytes;
  uint64_t hash;
  if (left >= 32) {
    uint64_t a = seed + kXxhPrime1 + kXxhPrime2, b = seed + kXxhPrime2, c = seed, d = seed - kXxhPrime1;
    for (; left >= 32; left -= 32, p += 32) {
      a = mix(a, read64(p));
      b = mix(b, read64(p + 8));
      c = mix(c, read64(p + 16));
      d = mix(d, read64(p + 24));
    }
    hash = std::rotl(a, 1) + std::rotl(b, 7) + std::rotl(c, 12) + std::rotl(d, 18);
    hash = merge(merge(merge(merge(hash, a), b), c), d);
  } else {
    hash = seed + kXxhPrime5;
  }
  hash += bytes;
  for (; left >= 8; left -= 8, p += 8) hash = std::rotl(hash ^ mix(0, read64(p)), 27) * kXxhPrime1 + kXxhPrime4;
  if (left >= 4) {
    hash = std::rotl(hash ^ (read32(p) * kXxhPrime1), 23) * kXxhPrime2 + kXxhPrime3;
    left -= 4;
    p += 4;
  }
  for (; left > 0; --left, ++p) hash = std::rotl(hash ^ (*p * kXxhPrime5), 11) * kXxhPrime1;
  hash = (hash ^ (hash >> 33)) * kXxhPrime2;
  hash = (hash ^ (hash >> 29)) * kXxhPrime3;
  return hash ^ (hash >> 32);
}

}  // namespace prerank
