// The table index of larger batches, against a plain map; and for any number of threads.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <tuple>

#include "prerank/loader.h"

namespace prerank {
namespace {

// Five tables: 0 read by a single and a list input, 1 of one row, 2 with ids up to 2^32 - 1; 3 and 4 by a plain list each, where
// row and bag (11 bits of 1500 rows) just fit into 32 bits, and just do not.
struct Ids {
  explicit Ids(size_t rows) {
    std::mt19937 random(5);
    const auto single = [&](uint64_t limit) {
      std::vector<uint32_t> ids(rows);
      for (uint32_t& id : ids) id = static_cast<uint32_t>(random() % limit);
      return ids;
    };
    first = single(3000);
    only = std::vector<uint32_t>(rows, 0);
    wide = single(uint64_t{1} << 32);
    offsets.push_back(0);
    for (size_t r = 0; r < rows; ++r) {
      for (size_t i = random() % 6; i > 0; --i) {
        list.push_back(static_cast<uint32_t>(random() % 3000));
        weights.push_back(static_cast<float>(random() % 8) / 4);
      }
      offsets.push_back(static_cast<uint32_t>(list.size()));
    }
    full = list;
    over = list;
    for (size_t i = 0; i < list.size(); ++i) {
      full[i] = (1u << 21) - 1 - list[i] % 700;
      over[i] = (1u << 21) - list[i] % 700;
    }
    batch.rows = rows;
    batch.ids = {{first, {}, {}}, {list, offsets, weights}, {only, {}, {}}, {wide, {}, {}},
                 {full, offsets, {}}, {over, offsets, {}}};
  }
  std::vector<uint32_t> first, only, wide, list, offsets, full, over;
  std::vector<float> weights;
  Batch batch;
};

const std::vector<int64_t> kTables = {3000, 1, int64_t{1} << 32, 1 << 21, (1 << 21) + 1};

std::vector<IdSource> sources(Pooling pooling) {
  return {{.table = 0}, {.multi = true, .pooling = pooling, .table = 0}, {.table = 1}, {.table = 2},
          {.multi = true, .table = 3}, {.multi = true, .table = 4}};
}

class TableIndexTest : public testing::TestWithParam<std::tuple<Pooling, size_t>> {};

TEST_P(TableIndexTest, GroupsEveryIdByRow) {
  const auto [pooling, threads] = GetParam();
  Ids ids(1500);
  auto indexer = TableIndexer::create(kTables, sources(pooling), threads);
  ASSERT_TRUE(indexer.ok()) << indexer.status().message();
  for (int again = 0; again < 2; ++again) ASSERT_TRUE(indexer.value()->index(ids.batch).ok());
  using Entry = std::tuple<uint16_t, uint32_t, float>;
  std::vector<std::map<uint32_t, std::vector<Entry>>> expected(5);
  for (uint32_t r = 0; r < 1500; ++r) expected[0][ids.first[r]].emplace_back(0, r, 1.0f);
  for (uint32_t r = 0; r < 1500; ++r) {
    const float scale =
        pooling == Pooling::kMean ? 1.0f / static_cast<float>(ids.offsets[r + 1] - ids.offsets[r]) : 1.0f;
    for (uint32_t i = ids.offsets[r]; i < ids.offsets[r + 1]; ++i) {
      expected[0][ids.list[i]].emplace_back(1, r, scale * ids.weights[i]);
      expected[3][ids.full[i]].emplace_back(4, r, 1.0f);
      expected[4][ids.over[i]].emplace_back(5, r, 1.0f);
    }
    expected[1][0].emplace_back(2, r, 1.0f);
    expected[2][ids.wide[r]].emplace_back(3, r, 1.0f);
  }
  for (size_t t = 0; t < 5; ++t) {
    const BatchTableIndex& index = ids.batch.table_index[t];
    std::map<uint32_t, std::vector<Entry>> found;
    for (size_t u = 0; u < index.rows.size(); ++u) {
      if (u > 0) {
        ASSERT_LT(index.rows[u - 1], index.rows[u]);
      }
      for (uint32_t e = index.starts[u]; e < index.starts[u + 1]; ++e) {
        found[index.rows[u]].emplace_back(index.input_of(e), index.bags[e], index.coefficient_of(e));
      }
    }
    EXPECT_EQ(found, expected[t]) << "table " << t;
  }
}

INSTANTIATE_TEST_SUITE_P(PoolingsAndThreads, TableIndexTest,
                         testing::Combine(testing::Values(Pooling::kSum, Pooling::kMean), testing::Values(1u, 3u)));

TEST(TableIndex, AnEmptyBatchHasEmptyIndices) {
  Batch batch;
  batch.ids.resize(6);
  auto indexer = TableIndexer::create(kTables, sources(Pooling::kSum), 1);
  ASSERT_TRUE(indexer.value()->index(batch).ok());
  ASSERT_EQ(batch.table_index.size(), 5u);
  EXPECT_TRUE(batch.table_index[0].rows.empty());
  EXPECT_EQ(batch.table_index[0].starts.size(), 1u);
}

TEST(TableIndex, RefusesTablesThatDoNotExist) {
  EXPECT_EQ(TableIndexer::create({3}, {{.table = 1}}, 1).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(TableIndexer::create({0}, {{.table = 0}}, 1).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(TableIndexer::create({3}, {{.table = 0}}, 0).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace prerank
