#include "base/xxhash.h"

#include <algorithm>
#include <array>
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

using Lanes = std::array<uint64_t, 4>;

constexpr size_t kStripe = 32;

// Takes whole stripes; returns where the rest begins.
const unsigned char* add_stripes(Lanes& lanes, const unsigned char* p, size_t stripes) {
  auto [a, b, c, d] = lanes;
  for (; stripes > 0; --stripes, p += kStripe) {
    a = mix(a, read64(p));
    b = mix(b, read64(p + 8));
    c = mix(c, read64(p + 16));
    d = mix(d, read64(p + 24));
  }
  lanes = {a, b, c, d};
  return p;
}

uint64_t merge_lanes(const Lanes& lanes) {
  const auto& [a, b, c, d] = lanes;
  const uint64_t hash = std::rotl(a, 1) + std::rotl(b, 7) + std::rotl(c, 12) + std::rotl(d, 18);
  return merge(merge(merge(merge(hash, a), b), c), d);
}

// `hash`: of the stripes before, with the number of all bytes added.
uint64_t finish(uint64_t hash, const unsigned char* p, size_t left) {
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

}  // namespace

uint64_t xxh64(const void* data, size_t bytes, uint64_t seed) {
  const auto* p = static_cast<const unsigned char*>(data);
  uint64_t hash = seed + kXxhPrime5;
  if (bytes >= kStripe) {
    Lanes lanes = {seed + kXxhPrime1 + kXxhPrime2, seed + kXxhPrime2, seed, seed - kXxhPrime1};
    p = add_stripes(lanes, p, bytes / kStripe);
    hash = merge_lanes(lanes);
  }
  return finish(hash + bytes, p, bytes % kStripe);
}

void Xxh64Stream::add(const void* data, size_t bytes) {
  const auto* p = static_cast<const unsigned char*>(data);
  const size_t filled = bytes_ % kStripe;
  bytes_ += bytes;
  if (filled > 0) {
    const size_t count = std::min(kStripe - filled, bytes);
    std::memcpy(rest_.data() + filled, p, count);
    if (filled + count < kStripe) return;
    add_stripes(lanes_, rest_.data(), 1);
    p += count;
    bytes -= count;
  }
  p = add_stripes(lanes_, p, bytes / kStripe);
  if (bytes % kStripe > 0) std::memcpy(rest_.data(), p, bytes % kStripe);
}

uint64_t Xxh64Stream::hash() const {
  return finish((bytes_ >= kStripe ? merge_lanes(lanes_) : kXxhPrime5) + bytes_, rest_.data(), bytes_ % kStripe);
}

}  // namespace prerank
