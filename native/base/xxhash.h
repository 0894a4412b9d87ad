// XXH64 of Yann Collet's xxHash: the hash behind hashed vocabularies and parameter initialisation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace prerank {

inline constexpr uint64_t kXxhPrime1 = 0x9E3779B185EBCA87u;
inline constexpr uint64_t kXxhPrime2 = 0xC2B2AE3D27D4EB4Fu;
inline constexpr uint64_t kXxhPrime3 = 0x165667B19E3779F9u;
inline constexpr uint64_t kXxhPrime4 = 0x85EBCA77C2B2AE63u;
inline constexpr uint64_t kXxhPrime5 = 0x27D4EB2F165667C5u;

uint64_t xxh64(const void* data, size_t bytes, uint64_t seed = 0);

// The same of bytes that come in pieces, with seed 0.
class Xxh64Stream {
 public:
  void add(const void* data, size_t bytes);
  uint64_t hash() const;

 private:
  static constexpr size_t kStripe = 32;

  std::array<uint64_t, 4> lanes_ = {kXxhPrime1 + kXxhPrime2, kXxhPrime2, 0, uint64_t{0} - kXxhPrime1};
  std::array<unsigned char, kStripe> rest_;  // bytes of a stripe that is not full
  uint64_t bytes_ = 0;
};

}  // namespace prerank
