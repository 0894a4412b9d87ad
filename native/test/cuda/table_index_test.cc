// The device's table index against the loader's.
#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "cuda/table_index.h"
#include "cuda/sparse_fixture.h"

namespace prerank::test {
namespace {

// Key, id input, bag, coefficient.
using IndexEntry = std::tuple<uint64_t, uint32_t, uint32_t, float>;

std::vector<IndexEntry> entries_of_loader(const Plan& plan, SparseBatch& ids, const cuda::TableIndex& index) {
  const auto indexer = TableIndexer::create(plan, 1);
  EXPECT_TRUE(indexer.ok() && indexer.value()->index(ids.batch).ok());
  std::vector<bool> trained(plan.id_inputs.size());
  for (const PlanSparseGradient& gradient : plan.sparse_gradients) {
    trained[static_cast<size_t>(gradient.id_input)] = true;
  }
  std::vector<IndexEntry> entries;
  for (size_t t = 0; t < plan.tables.size(); ++t) {
    const BatchTableIndex& table = ids.batch.table_index[t];
    for (size_t u = 0; u < table.rows.size(); ++u) {
      for (size_t e = table.starts[u]; e < table.starts[u + 1]; ++e) {
        if (!trained[table.input_of(e)]) continue;
        entries.emplace_back(index.first_key(t) + table.rows[u], table.input_of(e), table.bags[e],
                             table.coefficient_of(e));
      }
    }
  }
  return entries;
}

std::vector<IndexEntry> entries_of_device(const cuda::TableIndex& index) {
  const cuda::SortedEntries sorted = index.entries();
  std::vector<IndexEntry> entries;
  for (size_t e = 0; e < *index.count(); ++e) {
    const uint64_t key = sorted.wide_keys != nullptr ? sorted.wide_keys[e] : sorted.narrow_keys[e];
    const uint32_t source = sorted.weighted != nullptr ? sorted.weighted[e].source : sorted.sources[e];
    entries.emplace_back(key, source >> sorted.bag_bits, source & ((1u << sorted.bag_bits) - 1),
                         sorted.weighted != nullptr ? sorted.weighted[e].coefficient : 1.0f);
  }
  return entries;
}

void expect_index(const Plan& plan, cuda::TableIndex& index, SparseBatch& ids) {
  auto stream = cuda::make_stream();
  ASSERT_TRUE(stream.ok());
  const Status status = index.index(stream.value().get(), ids.device, ids.counts, ids.rows, ids.requests);
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
  const std::vector<IndexEntry> entries = entries_of_device(index);
  EXPECT_EQ(entries, entries_of_loader(plan, ids, index));
  const auto starts = index.table_starts();
  EXPECT_EQ(starts.back(), *index.count());
  for (size_t t = 0; t < plan.tables.size(); ++t) {
    for (size_t e = starts[t]; e < starts[t + 1]; ++e) {
      const uint64_t key = std::get<0>(entries[e]) - index.first_key(t);
      ASSERT_LT(key, static_cast<uint64_t>(plan.tables[t].rows)) << "entry " << e << " of table " << t;
    }
  }
}

// Three tables, the second without gradient, the first read by inputs of both domains.
Plan mixed_plan(Pooling pooling, bool weighted) {
  return sparse_plan({{"a", 90, 4}, {"b", 50, 4}, {"c", 1, 4}},
                     {{.table = 0, .domain = Domain::kRequest},
                      {.table = 2},
                      {.table = 1, .trained = false},
                      {.table = 0, .multi = true, .pooling = pooling, .weighted = weighted},
                      {.table = 0, .multi = true, .trained = false},
                      {.table = 2, .multi = true, .domain = Domain::kRequest},
                      {.table = 0}});
}
constexpr uint64_t kMixedLimits[] = {90, 50, 1};

TEST(CudaTableIndex, IsTheLoadersWithoutUntrainedInputs) {
  for (const bool weighted : {false, true}) {
    for (const Pooling pooling : {Pooling::kSum, Pooling::kMean}) {
      const Plan plan = mixed_plan(pooling, weighted);
      auto index = cuda::TableIndex::create(plan, plan.sparse_gradients, 300, 40);
      ASSERT_TRUE(index.ok()) << index.status().message();
      EXPECT_EQ(index.value().entries().weighted != nullptr, weighted || pooling == Pooling::kMean);
      for (const size_t rows : {300, 1, 0, 123}) {
        SparseBatch ids(plan, rows, (rows + 7) / 8, 5 + rows, kMixedLimits);
        expect_index(plan, index.value(), ids);
      }
    }
  }
}

TEST(CudaTableIndex, NumbersMoreThan32BitsOfRows) {
  const Plan plan = sparse_plan({{"a", int64_t{1} << 32, 4}, {"b", 3000, 4}},
                                {{.table = 1}, {.table = 0}, {.table = 0, .multi = true, .weighted = true}});
  auto index = cuda::TableIndex::create(plan, plan.sparse_gradients, 200, 0);
  ASSERT_TRUE(index.ok()) << index.status().message();
  EXPECT_NE(index.value().entries().wide_keys, nullptr);
  SparseBatch ids(plan, 200, 0, 9, std::vector<uint64_t>{uint64_t{1} << 32, 3000});
  expect_index(plan, index.value(), ids);
}

TEST(CudaTableIndex, GrowsWithLongLists) {
  const Plan plan = sparse_plan({{"a", 40, 4}}, {{.table = 0, .multi = true}});
  auto index = cuda::TableIndex::create(plan, plan.sparse_gradients, 64, 0);
  ASSERT_TRUE(index.ok()) << index.status().message();
  const uint64_t before = index.value().generation();
  const size_t bytes = index.value().bytes();
  std::vector<uint32_t> list(1000), offsets(65, 1000);
  for (size_t i = 0; i < list.size(); ++i) list[i] = static_cast<uint32_t>(i * 7 % 40);
  offsets[0] = 0;
  const cuda::DeviceIds ids = {list.data(), offsets.data(), nullptr};
  auto stream = cuda::make_stream();
  for (int again = 0; again < 2; ++again) {
    ASSERT_TRUE(index.value().index(stream.value().get(), {.ids = &ids}, std::vector<size_t>{1000}, 64, 0).ok());
    ASSERT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
    EXPECT_EQ(*index.value().count(), 1000u);
    EXPECT_EQ(index.value().generation(), before + 1) << "the second time there is room";
  }
  EXPECT_GT(index.value().bytes(), bytes);
  const auto entries = entries_of_device(index.value());
  EXPECT_TRUE(std::is_sorted(entries.begin(), entries.end()));
  EXPECT_EQ(entries[999], IndexEntry(39, 0, 0, 1.0f));
}

TEST(CudaTableIndex, RefusesWhatDoesNotFit) {
  const Plan plan = mixed_plan(Pooling::kSum, false);
  auto index = cuda::TableIndex::create(plan, plan.sparse_gradients, 10, 5);
  ASSERT_TRUE(index.ok());
  auto stream = cuda::make_stream();
  SparseBatch ids(plan, 10, 5, 1, kMixedLimits);
  const auto run = [&](size_t rows, size_t requests) {
    return index.value().index(stream.value().get(), ids.device, ids.counts, rows, requests).code();
  };
  EXPECT_EQ(run(10, 5), Code::kOk);
  EXPECT_EQ(run(11, 5), Code::kInvalidArgument) << "more rows than the program was made for";
  EXPECT_EQ(run(9, 5), Code::kInvalidArgument) << "a single-valued input has one id a row";
  EXPECT_EQ(cuda::TableIndex::create(plan, plan.sparse_gradients, size_t{1} << 30, 5).status().code(),
            Code::kUnsupported);
  ASSERT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
}

TEST(CudaTableIndex, WithoutTrainedInputsIsEmpty) {
  const Plan plan = sparse_plan({{"a", 40, 4}}, {{.table = 0, .trained = false}});
  auto index = cuda::TableIndex::create(plan, {}, 64, 0);
  ASSERT_TRUE(index.ok());
  SparseBatch ids(plan, 64, 0, 1, std::vector<uint64_t>{40});
  expect_index(plan, index.value(), ids);
  EXPECT_EQ(*index.value().count(), 0u);
}

}  // namespace
}  // namespace prerank::test
