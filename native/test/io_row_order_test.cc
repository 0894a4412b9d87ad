#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "io/row_order.h"

namespace prerank {
namespace {

std::vector<uint32_t> epoch_order(RowOrder& order, uint64_t epoch, size_t rows, size_t step) {
  std::vector<uint32_t> out(rows);
  for (size_t at = 0; at < rows; at += step) {
    order.read(epoch, at, std::span(out).subspan(at, std::min(step, rows - at)));
  }
  return out;
}

std::vector<uint32_t> ascending(size_t rows) {
  std::vector<uint32_t> out(rows);
  std::iota(out.begin(), out.end(), 0u);
  return out;
}

TEST(RowOrder, NoneIsAscendingInEveryEpoch) {
  RowOrder order(10, Shuffle::kNone, 0, 7, 2);
  EXPECT_EQ(epoch_order(order, 0, 10, 3), ascending(10));
  EXPECT_EQ(epoch_order(order, 1, 10, 4), ascending(10));
}

TEST(RowOrder, FullIsAPermutationThatDependsOnSeedAndEpochOnly) {
  RowOrder a(1000, Shuffle::kFull, 0, 7, 2), b(1000, Shuffle::kFull, 0, 7, 2), c(1000, Shuffle::kFull, 0, 8, 2);
  const auto first = epoch_order(a, 0, 1000, 64);
  EXPECT_NE(first, ascending(1000));
  EXPECT_NE(first, epoch_order(a, 1, 1000, 64));
  EXPECT_NE(first, epoch_order(c, 0, 1000, 64));
  EXPECT_EQ(epoch_order(b, 1, 1000, 999), epoch_order(a, 1, 1000, 64));
  EXPECT_EQ(epoch_order(b, 0, 1000, 10), first);  // after an epoch that was read in between
  auto sorted = first;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, ascending(1000));
}

TEST(RowOrder, WindowShufflesInsideBlocksOnly) {
  RowOrder order(103, Shuffle::kWindow, 20, 3, 3);
  const auto rows = epoch_order(order, 2, 103, 7);
  for (size_t block = 0; block < 103; block += 20) {
    const size_t size = std::min<size_t>(20, 103 - block);
    std::vector<uint32_t> sorted(rows.begin() + block, rows.begin() + block + size);
    std::sort(sorted.begin(), sorted.end());
    for (size_t i = 0; i < size; ++i) EXPECT_EQ(sorted[i], block + i);
  }
  EXPECT_NE(rows, ascending(103));
}

TEST(RowOrder, ShufflingAheadChangesNothing) {
  constexpr size_t kRows = 300000;
  for (const Shuffle shuffle : {Shuffle::kFull, Shuffle::kWindow}) {
    RowOrder plain(kRows, shuffle, 70000, 7, 4), ahead(kRows, shuffle, 70000, 7, 4);
    ahead.start();
    // On through the epochs, a jump ahead, and back: what was shuffled for nothing does no harm.
    for (const uint64_t epoch : {0, 1, 3, 0}) {
      EXPECT_EQ(epoch_order(ahead, epoch, kRows, 4096), epoch_order(plain, epoch, kRows, 4096)) << "epoch " << epoch;
    }
  }
}

TEST(RowOrder, EveryPermutationOfThreeIsAboutEquallyLikely) {
  std::vector<int> seen(27, 0);
  for (uint64_t epoch = 0; epoch < 6000; ++epoch) {
    std::vector<uint32_t> order(3);
    shuffle_block(order, 0, 5, epoch, 0);
    ++seen[order[0] * 9 + order[1] * 3 + order[2]];
  }
  int kinds = 0;
  for (const int count : seen) {
    if (count == 0) continue;
    ++kinds;
    EXPECT_NEAR(count, 1000, 150);  // five standard deviations
  }
  EXPECT_EQ(kinds, 6);
}

}  // namespace
}  // namespace prerank
