// Stores whose tables give rows memory when they are first looked up.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "prerank/parameter_store.h"

namespace prerank {
namespace {

constexpr size_t kRows = 1001, kDim = 7, kTable = 1;  // rows that start between two blocks of drawn elements
constexpr const char* kName = "embeddings.ad";

ParameterStore::Options options_of(TableType type, SparseOptimizerKind optimizer) {
  ParameterStore::Options options;
  options.parameters = {{"tower.weight", {3, 5}, {InitKind::kUniform, 0.5}, false},
                        {kName, {kRows, kDim}, {InitKind::kNormal, 0.1}, true}};
  options.sparse.kind = optimizer;
  options.sparse.initial_accumulator = 0.1;
  options.table_type = type;
  options.seed = 5;
  return options;
}

std::shared_ptr<ParameterStore> created(ParameterStore::Options options) {
  auto store = ParameterStore::create(std::move(options));
  EXPECT_TRUE(store.ok()) << store.status().message();
  return std::move(store).value();
}

// A lazy store, and one of the same values that is drawn at once.
struct LazyStores {
  explicit LazyStores(TableType type = TableType::kFloat32,
                      SparseOptimizerKind optimizer = SparseOptimizerKind::kRowwiseAdagrad) {
    ParameterStore::Options options = options_of(type, optimizer);
    eager = created(options);
    options.eager_bytes = 1;
    lazy = created(options);
    for (const Slot& slot : lazy->state_slots()) tensors.push_back(slot.name);
    for (const Slot& slot : lazy->parameter_slots()) tensors.push_back(slot.name);
  }

  std::vector<uint32_t> touch(const std::vector<uint32_t>& rows) const {
    std::vector<uint32_t> slots(rows.size());
    lazy->touch(kTable, rows, slots);
    return slots;
  }
  void expect_equal(const char* why = "") const {
    for (const std::string& name : tensors) {
      EXPECT_EQ(lazy->read(name).value(), eager->read(name).value()) << name << ' ' << why;
    }
  }

  std::shared_ptr<ParameterStore> lazy, eager;
  std::vector<std::string> tensors;
};

std::span<const float> row_in(const std::vector<float>& table, size_t row) {
  return std::span(table).subspan(row * kDim, kDim);
}

class LazyStore : public ::testing::TestWithParam<std::pair<TableType, SparseOptimizerKind>> {
 protected:
  LazyStores stores{GetParam().first, GetParam().second};
};
INSTANTIATE_TEST_SUITE_P(Kinds, LazyStore,
                         ::testing::Values(std::pair{TableType::kFloat32, SparseOptimizerKind::kSgd},
                                           std::pair{TableType::kFloat32, SparseOptimizerKind::kRowwiseAdagrad},
                                           std::pair{TableType::kFloat32, SparseOptimizerKind::kAdagrad},
                                           std::pair{TableType::kFloat32, SparseOptimizerKind::kAdam},
                                           std::pair{TableType::kBfloat16, SparseOptimizerKind::kRowwiseAdagrad},
                                           std::pair{TableType::kFloat16, SparseOptimizerKind::kRowwiseAdagrad},
                                           std::pair{TableType::kFloat16, SparseOptimizerKind::kAdam}));

TEST_P(LazyStore, ReadsAsIfItWereDrawn) {
  EXPECT_TRUE(stores.lazy->lazy(kTable));
  EXPECT_FALSE(stores.lazy->lazy(0)) << "only tables";
  EXPECT_FALSE(stores.eager->lazy(kTable));
  stores.expect_equal("before a row is touched");
  stores.touch({3, 1000, 0, 77});
  stores.expect_equal("with rows in slots");
  std::vector<uint32_t> all(kRows);
  std::iota(all.begin(), all.end(), 0u);
  std::ranges::reverse(all);
  stores.touch(all);
  stores.expect_equal("with every row in a slot");
}

TEST_P(LazyStore, KeepsWhatIsWritten) {
  stores.touch({9, 2});
  for (const std::string& name : stores.tensors) {
    std::vector<float> values = stores.eager->read(name).value();
    for (size_t i = 0; i < values.size(); i += 3) values[i] = static_cast<float>(i);
    for (const auto& store : {stores.lazy, stores.eager}) ASSERT_TRUE(store->write(name, values).ok());
    stores.expect_equal("after a write");
  }
  stores.touch({1, 2, 999});
  stores.expect_equal("after a touch");
  EXPECT_EQ(stores.lazy->write(kName, std::vector<float>(3)).code(), Code::kInvalidArgument);
}

TEST(LazyStoreSlots, FollowOneAnotherInTheOrderOfTheFirstTouch) {
  const LazyStores stores;
  EXPECT_EQ(stores.touch({5, 998, 5, 0}), (std::vector<uint32_t>{1, 2, 1, 3}));
  EXPECT_EQ(stores.touch({0, 7, 998}), (std::vector<uint32_t>{3, 4, 2}));
  const std::vector<float> table = stores.eager->read(kName).value();
  const std::span<float> weights = stores.lazy->weights(kTable);
  EXPECT_EQ(weights.size(), (kRows + 1) * kDim);
  size_t slot = 1;
  for (const size_t row : {5, 998, 0, 7}) {
    EXPECT_TRUE(std::ranges::equal(weights.subspan(slot++ * kDim, kDim), row_in(table, row))) << row;
  }
  EXPECT_TRUE(std::ranges::all_of(weights.subspan(slot * kDim), [](float w) { return w == 0; })) << "not given away";
  EXPECT_EQ(stores.lazy->state(kTable, 0)[4], 0.1f);
  EXPECT_EQ(stores.lazy->state(kTable, 0)[5], 0.0f) << "not given away";
  weights[kDim] = 42;
  EXPECT_EQ(stores.touch({5}), (std::vector<uint32_t>{1}));
  EXPECT_EQ(weights[kDim], 42) << "drawn a second time";
  EXPECT_EQ(stores.lazy->read(kName).value()[5 * kDim], 42);
}

TEST(LazyStoreSlots, AreGivenToWrittenRowsThatDifferOnly) {
  const LazyStores stores;
  ASSERT_TRUE(stores.lazy->write(kName, stores.eager->read(kName).value()).ok());
  std::vector<float> sums(kRows, 0.1f);
  sums[500] = 2;
  ASSERT_TRUE(stores.lazy->write(std::string(kName) + ".accumulator", sums).ok());
  EXPECT_EQ(stores.touch({0, 500}), (std::vector<uint32_t>{2, 1})) << "only the row that differs";
  EXPECT_EQ(stores.lazy->read(kName).value(), stores.eager->read(kName).value());
  EXPECT_EQ(stores.lazy->read(std::string(kName) + ".accumulator").value(), sums);
}

TEST(LazyStoreSlots, ShowNoDataAsIfItWereInTheOrderOfRows) {
  const LazyStores stores;
  stores.touch({4});
  EXPECT_TRUE(stores.lazy->parameter_slots()[kTable].data.empty());
  EXPECT_TRUE(stores.lazy->state_slots().back().data.empty());
  EXPECT_FALSE(stores.lazy->parameter_slots()[0].data.empty());
}

TEST(LazyStoreSlots, CannotCountMoreRows) {
  ParameterStore::Options options = options_of(TableType::kFloat32, SparseOptimizerKind::kSgd);
  options.parameters[kTable].shape = {int64_t{1} << 32, 1};
  options.eager_bytes = 1;
  const auto store = ParameterStore::create(options);
  ASSERT_FALSE(store.ok());
  EXPECT_NE(store.status().message().find("at most 4294967295 rows"), std::string::npos) << store.status().message();
}

// A mirror that remembers what it was given.
class CopiedTensors final : public ParameterMirror {
 public:
  explicit CopiedTensors(const ParameterStore& store) : weights_(store.read(kName).value()) {}
  Status read(size_t, std::optional<size_t>, std::span<float> into) const override {
    std::ranges::copy(weights_, into.begin());
    return {};
  }
  Status write(size_t, std::optional<size_t>, std::span<const float> values) override {
    weights_.assign(values.begin(), values.end());
    return {};
  }
  size_t bytes() const override { return weights_.size() * sizeof(float); }

 private:
  std::vector<float> weights_;
};

TEST(LazyStoreSlots, GiveWayToAMirror) {
  const LazyStores stores;
  stores.touch({4, 1});
  stores.lazy->weights(kTable)[kDim] = 42;
  stores.lazy->move_to(std::make_shared<CopiedTensors>(*stores.lazy));
  EXPECT_FALSE(stores.lazy->lazy(kTable));
  std::vector<float> values = stores.eager->read(kName).value();
  values[4 * kDim] = 42;
  EXPECT_EQ(stores.lazy->read(kName).value(), values);
  values[3] = 1;
  ASSERT_TRUE(stores.lazy->write(kName, values).ok());
  EXPECT_EQ(stores.lazy->read(kName).value(), values);
}

}  // namespace
}  // namespace prerank
