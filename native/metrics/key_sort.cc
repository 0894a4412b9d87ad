#include "metrics/key_sort.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <utility>
#include <vector>

namespace prerank {
namespace {

constexpr int kBucketBits = 12;
constexpr size_t kBuckets = size_t{1} << kBucketBits;
constexpr size_t kSmall = 65536;

}  // namespace

void sort_keys(std::span<uint64_t> keys, ThreadPool& pool) {
  if (keys.size() < kSmall) {
    std::sort(keys.begin(), keys.end());
    return;
  }
  const auto [lowest, highest] = std::minmax_element(keys.begin(), keys.end());
  const int excess = static_cast<int>(std::bit_width(*highest - *lowest)) - kBucketBits;
  const auto bucket_of = [base = *lowest, shift = std::max(excess, 0)](uint64_t key) { return (key - base) >> shift; };

  // Buckets of equal key ranges: counted, then permuted in place along cycles.
  std::vector<size_t> starts(kBuckets + 1);
  for (const uint64_t key : keys) ++starts[bucket_of(key) + 1];
  for (size_t b = 0; b < kBuckets; ++b) starts[b + 1] += starts[b];
  std::vector<size_t> next(starts.begin(), starts.end() - 1);
  for (size_t b = 0; b < kBuckets; ++b) {
    while (next[b] < starts[b + 1]) {
      uint64_t key = keys[next[b]];
      for (size_t to = bucket_of(key); to != b; to = bucket_of(key)) std::swap(key, keys[next[to]++]);
      keys[next[b]++] = key;
    }
  }
  std::atomic<size_t> bucket{0};
  pool.run([&](size_t) {
    for (size_t b = bucket++; b < kBuckets; b = bucket++) {
      std::sort(keys.begin() + static_cast<ptrdiff_t>(starts[b]), keys.begin() + static_cast<ptrdiff_t>(starts[b + 1]));
    }
  });
}

}  // namespace prerank
