// From hashes to table rows.
#pragma once

#include <cstdint>

namespace prerank::ingest {

// hash mod buckets, for any number of buckets from 1 to 2^32, without a division.
class Buckets {
 public:
  explicit Buckets(uint64_t buckets)
      : buckets_(buckets), reciprocal_(buckets == 1 ? ~uint64_t{0} : (~uint64_t{0} - (buckets - 1)) / buckets + 1) {}

  uint32_t of(uint64_t hash) const {
    // floor(hash · floor(2^64 / buckets) / 2^64) is the quotient or one less.
    const uint64_t rest = hash - high_product(hash, reciprocal_) * buckets_;
    return static_cast<uint32_t>(rest >= buckets_ ? rest - buckets_ : rest);
  }

  uint64_t count() const { return buckets_; }
  uint64_t reciprocal() const { return reciprocal_; }

 private:
  __extension__ using Wide = unsigned __int128;
  static uint64_t high_product(uint64_t a, uint64_t b) { return static_cast<uint64_t>((Wide{a} * b) >> 64); }

  uint64_t buckets_;
  uint64_t reciprocal_;
};

}  // namespace prerank::ingest
