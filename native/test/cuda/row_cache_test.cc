// Rows of tables in the host's memory that lie in a cache on the device: the same values as without one, and the slots that
// follow from which rows were used when.
#include "cuda/row_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cuda/sparse_model.h"

namespace prerank::test {
namespace {

// Takes table `t` of a model for one in the host's memory.
cuda::HostTable host_table(SparseModel& model, size_t t) {
  const cuda::DeviceTable table = model.device_tables()[t];
  const auto rows = static_cast<size_t>(table.rows), dim = static_cast<size_t>(table.dim);
  const auto state_bytes = [&](const std::vector<float>& state) { return state.size() / rows * sizeof(float); };
  return {.parameter = t,
          .rows = rows,
          .arrays = {address_of(table.weights), table.state0, table.state1},
          .weight_bytes = dim * bytes_of(type_of(table.weights)),
          .state0_bytes = state_bytes(model.tables[t].state0),
          .state1_bytes = state_bytes(model.tables[t].state1)};
}

cuda::RowCache cache_of(SparseModel& model, std::span<const size_t> tables) {
  std::vector<cuda::HostTable> host;
  for (const size_t t : tables) host.push_back(host_table(model, t));
  auto cache = cuda::RowCache::create(std::move(host), model.tables.size());
  EXPECT_TRUE(cache.ok()) << cache.status().message();
  return std::move(cache).value();
}

// Opens it with so many slots for each pool of `rows` rows in all: every pool has the same share.
void open_share(cuda::RowCache& cache, double share) {
  const size_t rest = cache.most_bytes() - cache.least_bytes();
  const size_t bytes = cache.least_bytes() + std::max(size_t{1}, static_cast<size_t>(share * static_cast<double>(rest)));
  const Status opened = cache.open(bytes);
  ASSERT_TRUE(opened.ok()) << opened.message();
}

Result<cuda::SparseUpdate> cached_update(SparseModel& model, const cuda::RowCache& cache, size_t rows,
                                         size_t requests) {
  std::vector<cuda::DeviceTable> tables = model.device_tables();
  for (size_t t = 0; t < tables.size(); ++t) tables[t].cached = cache.table(t);
  return cuda::SparseUpdate::create(model.plan, tables, model.optimizer, model.pooled, rows, requests, &cache);
}

void run_cached(cuda::SparseUpdate& update, SparseBatch& ids, const cuda::StepNumbers& numbers) {
  cuda::StepResult result = {.sparse_scale = static_cast<float>(SparseModel::kScale)};
  auto stream = cuda::make_stream();
  ASSERT_TRUE(stream.ok());
  ASSERT_TRUE(update.index(stream.value().get(), ids.device, ids.counts, ids.rows, ids.requests).ok());
  const Status cached = update.enqueue_cache(stream.value().get());
  ASSERT_TRUE(cached.ok()) << cached.message();
  const Status updated = update.enqueue_update(stream.value().get(), {.numbers = &numbers, .result = &result});
  ASSERT_TRUE(updated.ok()) << updated.message();
  ASSERT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
}

void flush(const cuda::RowCache& cache) {
  auto stream = cuda::make_stream();
  ASSERT_TRUE(stream.ok() && cache.flush(stream.value().get()).ok());
}

// The emulated device's memory is the host's. Slots of a table's rows.
std::vector<uint32_t> slots_of(const cuda::RowCache& cache, size_t table, size_t rows) {
  const uint32_t* const slots = cache.table(table)->slots;
  return {slots, slots + rows};
}

// Every row with a slot is what its slot says, and no slot has two.
void expect_consistent(const cuda::RowCache& cache, const SparseModel& model, std::span<const size_t> tables) {
  std::set<std::pair<uint32_t, uint32_t>> taken;
  size_t owned = 0;
  for (const cuda::SlotPool& pool : cache.pools()) {
    for (uint32_t s = 0; s < pool.capacity; ++s) owned += pool.owners[s].table != cuda::kNoSlot ? 1 : 0;
  }
  for (const size_t t : tables) {
    const cuda::SlotPool& pool = cache.pools()[cache.table(t)->pool];
    const std::vector<uint32_t> slots = slots_of(cache, t, static_cast<size_t>(model.plan.tables[t].rows));
    for (uint32_t row = 0; row < slots.size(); ++row) {
      if (slots[row] == cuda::kNoSlot) continue;
      ASSERT_LT(slots[row], pool.capacity);
      EXPECT_TRUE(taken.emplace(pool.number, slots[row]).second);
      EXPECT_EQ(pool.owners[slots[row]].table, t);
      EXPECT_EQ(pool.owners[slots[row]].row, row);
    }
  }
  EXPECT_EQ(taken.size(), owned);
}

constexpr std::array<SparseOptimizerKind, 4> kCachedKinds = {
    SparseOptimizerKind::kSgd, SparseOptimizerKind::kAdagrad, SparseOptimizerKind::kRowwiseAdagrad,
    SparseOptimizerKind::kAdam};

// Two pools, one of them shared by two tables, and a table that stays on the device; batches of many sizes, and an empty one.
TEST(RowCache, LeavesTheValuesOfTablesWithoutOne) {
  constexpr size_t kTables[] = {0, 1, 3};
  constexpr uint64_t kLimits[] = {70, 300, 40, 90};
  for (const SparseOptimizerKind kind : kCachedKinds) {
    for (const auto& [type, dim] : {std::pair<TableType, int64_t>{TableType::kFloat32, 16},
                                    {TableType::kBfloat16, 3},
                                    {TableType::kFloat16, 130}}) {
      for (const double share : {0.0, 0.1, 1.0}) {
        SCOPED_TRACE(testing::Message() << "optimizer " << static_cast<int>(kind) << ", type " << static_cast<int>(type)
                                        << ", share " << share << ", dim " << dim);
        const Plan plan = sparse_plan({{"a", 70, dim}, {"b", 300, 8}, {"c", 40, dim}, {"d", 90, dim}},
                                      {{.table = 0},
                                       {.table = 1, .multi = true, .pooling = Pooling::kMean, .weighted = true},
                                       {.table = 1, .domain = Domain::kRequest},
                                       {.table = 2},
                                       {.table = 3, .multi = true}});
        SparseModel cached(plan, kind, type, kLimits);
        cached.set_gradients(300, 3, 8);
        SparseModel plain = cached;
        plain.set_gradients(300, 3, 8);
        cuda::RowCache cache = cache_of(cached, kTables);
        open_share(cache, share);
        auto update = cached_update(cached, cache, 100, 20);
        auto expected = plain.device(100, 20);
        ASSERT_TRUE(update.ok() && expected.ok());
        for (uint64_t step = 0; step < 8; ++step) {
          const size_t rows = step == 5 ? 0 : step == 3 ? 100 : 3 + 5 * step, requests = rows / 5;
          SparseBatch ids(plan, rows, requests, 10 + step, kLimits, 3);
          run_cached(update.value(), ids, cached.numbers(step));
          run_update(expected.value(), ids, plain.numbers(step));
          expect_consistent(cache, cached, kTables);
          if (step != 4 && step != 7) continue;
          flush(cache);
          for (size_t t = 0; t < 4; ++t) ASSERT_TRUE(cached.tables[t] == plain.tables[t]) << "table " << t;
        }
      }
    }
  }
}

// What a pool of at most kLookedAt slots holds: a step looks at all of them.
class LeastRecentlyUsed {
 public:
  explicit LeastRecentlyUsed(size_t slots) : rows_(slots), stamps_(slots, 0) {}

  void use(const std::set<uint32_t>& batch) {
    ++clock_;
    std::vector<uint32_t> missing;
    for (const uint32_t row : batch) {
      const auto found = std::ranges::find(rows_, std::optional(row));
      if (found == rows_.end()) {
        missing.push_back(row);
      } else {
        stamps_[static_cast<size_t>(found - rows_.begin())] = clock_;
      }
    }
    std::vector<size_t> idle;
    for (size_t s = 0; s < rows_.size(); ++s) {
      if (stamps_[s] < clock_) idle.push_back(s);
    }
    std::ranges::stable_sort(idle, {}, [&](size_t s) { return stamps_[s]; });
    idle.resize(std::min(idle.size(), missing.size()));
    counts.used += batch.size();
    counts.missing += missing.size();
    counts.unplaced += missing.size() - idle.size();
    // Rows go, ascending, to slots that were never used, then to the others in the order of slots.
    const auto fresh = std::ranges::find_if(idle, [&](size_t s) { return rows_[s].has_value(); });
    std::sort(fresh, idle.end());
    for (size_t i = 0; i < idle.size(); ++i) {
      rows_[idle[i]] = missing[i];
      stamps_[idle[i]] = clock_;
    }
  }

  std::set<uint32_t> rows() const {
    std::set<uint32_t> result;
    for (const std::optional<uint32_t>& row : rows_) {
      if (row) result.insert(*row);
    }
    return result;
  }

  HostRows counts;

 private:
  std::vector<std::optional<uint32_t>> rows_;
  std::vector<uint64_t> stamps_;
  uint64_t clock_ = 0;
};

TEST(RowCache, KeepsTheRowsUsedLast) {
  constexpr uint64_t kLimits[] = {60};
  constexpr size_t kTables[] = {0};
  for (const size_t slots : {1, 7, 16}) {
    SCOPED_TRACE("slots " + std::to_string(slots));
    const Plan plan = sparse_plan({{"a", 60, 4}}, {{.table = 0}});
    SparseModel model(plan, SparseOptimizerKind::kSgd, TableType::kFloat32, kLimits);
    model.set_gradients(30, 3, 8);
    cuda::RowCache cache = cache_of(model, kTables);
    ASSERT_TRUE(cache.open(cache.least_bytes() + (cache.most_bytes() - cache.least_bytes()) * slots / 60).ok());
    ASSERT_EQ(cache.pools()[0].capacity, slots);
    auto update = cached_update(model, cache, 30, 0);
    ASSERT_TRUE(update.ok());
    LeastRecentlyUsed expected(slots);
    for (uint64_t step = 0; step < 70; ++step) {
      // Rows near the first ones more often.
      const uint64_t limits[] = {1 + step * 7 % 60};
      SparseBatch ids(plan, step * 5 % 9, 0, step, limits);
      run_cached(update.value(), ids, model.numbers(step));
      expected.use({ids.ids[0].begin(), ids.ids[0].end()});
      const HostRows counts = cache.counts().value();
      ASSERT_EQ(counts.used, expected.counts.used) << "step " << step;
      ASSERT_EQ(counts.missing, expected.counts.missing) << "step " << step;
      ASSERT_EQ(counts.unplaced, expected.counts.unplaced) << "step " << step;
      std::set<uint32_t> rows;
      const std::vector<uint32_t> held = slots_of(cache, 0, 60);
      for (uint32_t row = 0; row < held.size(); ++row) {
        if (held[row] != cuda::kNoSlot) rows.insert(row);
      }
      ASSERT_EQ(rows, expected.rows()) << "step " << step;
    }
  }
}

// More slots than a step looks at: what it takes was used longest ago in its part of them, and in turn all come by.
TEST(RowCache, GoesRoundAPoolThatIsLargerThanItLooks) {
  constexpr uint64_t kLimits[] = {20000};
  constexpr size_t kTables[] = {0};
  const Plan plan = sparse_plan({{"a", 20000, 4}}, {{.table = 0}});
  SparseModel model(plan, SparseOptimizerKind::kSgd, TableType::kFloat32, kLimits);
  model.set_gradients(2500, 3, 8);
  cuda::RowCache cache = cache_of(model, kTables);
  open_share(cache, 0.2);
  const uint32_t capacity = cache.pools()[0].capacity;
  ASSERT_GT(capacity, 3000u);
  auto update = cached_update(model, cache, 2500, 0);
  ASSERT_TRUE(update.ok());
  uint64_t placed = 0;
  for (uint64_t step = 0; step < 40; ++step) {
    SparseBatch ids(plan, step == 20 ? 2500 : 60, 0, step, kLimits);
    run_cached(update.value(), ids, model.numbers(step));
    expect_consistent(cache, model, kTables);
    const std::vector<uint32_t> slots = slots_of(cache, 0, 20000);
    for (const uint32_t row : ids.ids[0]) EXPECT_NE(slots[row], cuda::kNoSlot);
    const auto held = static_cast<uint64_t>(std::ranges::count_if(slots, [](uint32_t s) { return s != cuda::kNoSlot; }));
    const HostRows counts = cache.counts().value();
    placed = counts.missing - counts.unplaced;
    EXPECT_EQ(counts.unplaced, 0u);
    EXPECT_EQ(held, std::min<uint64_t>(placed, capacity));
  }
  EXPECT_GT(placed, capacity + 100);
}

TEST(RowCache, WritesBackWhatChangedAndForgetsAll) {
  constexpr uint64_t kLimits[] = {50};
  constexpr size_t kTables[] = {0};
  const Plan plan = sparse_plan({{"a", 50, 8}}, {{.table = 0}});
  SparseModel model(plan, SparseOptimizerKind::kAdam, TableType::kFloat32, kLimits);
  model.set_gradients(40, 3, 8);
  cuda::RowCache cache = cache_of(model, kTables);
  open_share(cache, 1);
  auto update = cached_update(model, cache, 40, 0);
  ASSERT_TRUE(update.ok());
  const SparseTableData before = model.tables[0];
  SparseBatch ids(plan, 40, 0, 1, kLimits);
  run_cached(update.value(), ids, model.numbers(0));
  EXPECT_TRUE(model.tables[0] == before) << "a row in a slot was written to the host before anybody asked";
  flush(cache);
  const SparseTableData first = model.tables[0];
  EXPECT_FALSE(first == before);
  // What the host changes behind the cache stays, since no step has changed these rows since.
  std::ranges::fill(model.tables[0].state0, 1.0f);
  flush(cache);
  EXPECT_EQ(model.tables[0].state0, std::vector<float>(400, 1.0f));
  // And is fetched anew once the cache is empty.
  auto stream = cuda::make_stream();
  ASSERT_TRUE(stream.ok() && cache.empty(stream.value().get()).ok());
  for (const uint32_t slot : slots_of(cache, 0, 50)) EXPECT_EQ(slot, cuda::kNoSlot);
  SparseModel plain = model;
  plain.set_gradients(40, 3, 8);
  auto expected = plain.device(40, 0);
  ASSERT_TRUE(expected.ok());
  run_cached(update.value(), ids, model.numbers(1));
  run_update(expected.value(), ids, plain.numbers(1));
  flush(cache);
  EXPECT_TRUE(model.tables[0] == plain.tables[0]);
  EXPECT_EQ(cache.counts().value().missing, 2 * std::set(ids.ids[0].begin(), ids.ids[0].end()).size());
}

TEST(RowCache, NeedsRoomForTheNumbersOfSlots) {
  constexpr uint64_t kLimits[] = {50};
  constexpr size_t kTables[] = {0};
  SparseModel model(sparse_plan({{"a", 50, 8}}, {{.table = 0}}), SparseOptimizerKind::kSgd, TableType::kFloat32, kLimits);
  cuda::RowCache cache = cache_of(model, kTables);
  EXPECT_EQ(cache.least_bytes(), 200u);
  EXPECT_EQ(cache.most_bytes(), 50u * (4 + 32 + 12));
  const Status refused = cache.open(200);
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_NE(refused.message().find("more than 200 bytes"), std::string::npos) << refused.message();
  EXPECT_TRUE(cache.open(201).ok());
  EXPECT_EQ(cache.pools()[0].capacity, 1u);
}

}  // namespace
}  // namespace prerank::test
