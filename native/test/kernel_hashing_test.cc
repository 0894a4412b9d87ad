// Hashes of many words against the hash of one, on every instruction set.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "base/xxhash.h"
#include "cpu/dispatch.h"
#include "cpu/simd/table.h"
#include "ingest/id_hash.h"
#include "kernel_harness.h"

namespace prerank {
namespace {

TEST(HashWords, AreTheHashesOfTheirBytes) {
  std::vector<int64_t> words = {0, 1, -1, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()};
  for (int64_t i = 0; i < 62; ++i) words.push_back(static_cast<int64_t>(static_cast<uint64_t>(i) * 0x1234567890abcdefu));
  test::for_each_isa([&] {
    for (const size_t count : {size_t{0}, size_t{1}, size_t{7}, size_t{8}, words.size()}) {
      std::vector<uint64_t> hashes(words.size() + 1, 42);
      cpu::simd().hash_words(count, words.data(), hashes.data());
      for (size_t i = 0; i < count; ++i) EXPECT_EQ(hashes[i], xxh64(&words[i], sizeof(int64_t))) << words[i];
      EXPECT_EQ(hashes[count], 42u);
    }
  });
}

TEST(BucketRows, AreTheHashesModuloTheBuckets) {
  std::vector<uint64_t> hashes = {0, 1, 2, std::numeric_limits<uint64_t>::max(), uint64_t{1} << 63, 0xFFFFFFFFu};
  for (uint64_t i = 1; i < 60; ++i) hashes.push_back(i * 0x9E3779B97F4A7C15u);
  const std::vector<uint64_t> counts = {1, 2, 3, 7, 1000, 1'000'000, (uint64_t{1} << 31) + 1, 0xFFFFFFFFu,
                                        uint64_t{1} << 32};
  test::for_each_isa([&] {
    for (const uint64_t count : counts) {
      const ingest::Buckets buckets(count);
      std::vector<uint32_t> rows(hashes.size() + 1, 42);
      cpu::simd().bucket_rows(hashes.size(), hashes.data(), count, buckets.reciprocal(), rows.data());
      for (size_t i = 0; i < hashes.size(); ++i) {
        EXPECT_EQ(rows[i], hashes[i] % count) << hashes[i] << " mod " << count;
        EXPECT_EQ(buckets.of(hashes[i]), rows[i]);
      }
      EXPECT_EQ(rows.back(), 42u);
    }
  });
}

}  // namespace
}  // namespace prerank
