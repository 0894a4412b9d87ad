#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "prerank/parameter_store.h"

namespace prerank {
namespace {

ParameterStore::Options small_options() {
  ParameterStore::Options options;
  options.parameters = {{"tower.0.weight", {3, 5}, {InitKind::kUniform, 0.5}, false},
                        {"tower.0.bias", {3}, {InitKind::kConstant, 0.25}, false},
                        {"embeddings.ad", {1000, 7}, {InitKind::kNormal, 0.1}, true}};
  options.sparse.initial_accumulator = 0.1;
  options.seed = 5;
  return options;
}

std::shared_ptr<ParameterStore> make(ParameterStore::Options options) {
  auto store = ParameterStore::create(std::move(options));
  EXPECT_TRUE(store.ok()) << store.status().message();
  return std::move(store).value();
}

TEST(ParameterStore, DrawsWithinTheInit) {
  const auto store = make(small_options());
  for (const float w : store->weights(0)) {
    EXPECT_GE(w, -0.5f);
    EXPECT_LT(w, 0.5f);
  }
  for (const float w : store->weights(1)) EXPECT_EQ(w, 0.25f);
  double sum = 0, square = 0;
  for (const float w : store->weights(2)) {
    sum += w;
    square += static_cast<double>(w) * w;
  }
  EXPECT_NEAR(sum / 7000, 0, 0.005);
  EXPECT_NEAR(std::sqrt(square / 7000), 0.1, 0.004);
}

TEST(ParameterStore, DrawsDependOnNameAndSeedNotOnOrder) {
  auto options = small_options();
  const auto store = make(options);
  std::swap(options.parameters[0], options.parameters[2]);
  const auto swapped = make(options);
  EXPECT_TRUE(std::ranges::equal(store->weights(0), swapped->weights(2)));
  EXPECT_TRUE(std::ranges::equal(store->weights(2), swapped->weights(0)));
  options.seed = 6;
  EXPECT_FALSE(std::ranges::equal(make(options)->weights(0), swapped->weights(0)));
}

TEST(ParameterStore, LargeTablesAreDrawnAsSmallOnes) {
  ParameterStore::Options options;
  options.parameters = {{"t", {3001, 401}, {InitKind::kUniform, 1}, true}};  // drawn in parallel
  const auto large = make(options);
  options.parameters[0].shape = {1, 401};
  const auto small = make(options);
  EXPECT_TRUE(std::ranges::equal(small->weights(0), large->weights(0).first(401)));
  const auto tail = large->weights(0).last(3);
  EXPECT_TRUE(std::ranges::any_of(tail, [](float w) { return w != 0; }));
}

TEST(ParameterStore, NamesStateSlotsByOptimizer) {
  auto options = small_options();
  const auto names = [](const std::shared_ptr<ParameterStore>& store) {
    std::vector<std::string> result;
    for (const Slot& slot : store->state_slots()) result.push_back(slot.name);
    return result;
  };
  const auto adam = make(options);
  EXPECT_EQ(names(adam), (std::vector<std::string>{"tower.0.weight.m", "tower.0.weight.v", "tower.0.bias.m",
                                                   "tower.0.bias.v", "embeddings.ad.accumulator"}));
  EXPECT_EQ(adam->state_slots().back().shape, (std::vector<int64_t>{1000}));
  for (const float m : adam->state(2, 0)) EXPECT_EQ(m, 0.1f);
  options.dense.kind = DenseOptimizerKind::kSgd;
  options.sparse.kind = SparseOptimizerKind::kAdagrad;
  const auto sgd = make(options);
  EXPECT_EQ(names(sgd), (std::vector<std::string>{"embeddings.ad.accumulator"}));
  EXPECT_EQ(sgd->state_slots().back().shape, (std::vector<int64_t>{1000, 7}));
  options.dense.momentum = 0.9;
  EXPECT_EQ(names(make(options)).front(), "tower.0.weight.momentum");
  options.training = false;
  EXPECT_TRUE(make(options)->state_slots().empty());
}

// A store whose tables are drawn at their first touch, and one of the same values that is drawn at once.
struct LazyAndEager {
  explicit LazyAndEager(ParameterStore::Options options) {
    eager = make(options);
    options.eager_bytes = 1;
    lazy = make(options);
  }
  std::shared_ptr<ParameterStore> lazy, eager;
};

TEST(ParameterStore, LazyTablesReadAsIfTheyWereDrawn) {
  const LazyAndEager stores(small_options());
  EXPECT_TRUE(stores.lazy->lazy(2));
  EXPECT_FALSE(stores.lazy->lazy(0)) << "only tables";
  EXPECT_FALSE(stores.eager->lazy(2));
  for (const char* name : {"tower.0.weight", "embeddings.ad", "embeddings.ad.accumulator"}) {
    EXPECT_EQ(stores.lazy->read(name).value(), stores.eager->read(name).value()) << name;
  }
  EXPECT_TRUE(std::ranges::all_of(stores.lazy->weights(2), [](float w) { return w == 0; })) << "a read draws nothing";
}

TEST(ParameterStore, TouchDrawsTheRowsAndNeverAgain) {
  const LazyAndEager stores(small_options());
  const std::vector<uint32_t> rows = {0, 5, 998, 999, 5};
  stores.lazy->touch(2, rows);
  const auto row = [](ParameterStore& store, size_t r) { return store.weights(2).subspan(r * 7, 7); };
  for (const uint32_t r : rows) EXPECT_TRUE(std::ranges::equal(row(*stores.lazy, r), row(*stores.eager, r))) << r;
  EXPECT_EQ(stores.lazy->state(2, 0)[5], 0.1f);
  EXPECT_EQ(stores.lazy->state(2, 0)[500], 0.0f) << "not touched";
  EXPECT_TRUE(std::ranges::all_of(row(*stores.lazy, 500), [](float w) { return w == 0; })) << "not touched";
  row(*stores.lazy, 5)[0] = 42;
  stores.lazy->touch(2, rows);
  EXPECT_EQ(row(*stores.lazy, 5)[0], 42) << "drawn a second time";
  std::vector<float> expected = stores.eager->read("embeddings.ad").value();
  expected[5 * 7] = 42;
  EXPECT_EQ(stores.lazy->read("embeddings.ad").value(), expected);
}

TEST(ParameterStore, WritingALazyTableKeepsWhatIsWritten) {
  const LazyAndEager stores(small_options());
  const std::vector<float> values(7000, 3.0f);
  ASSERT_TRUE(stores.lazy->write("embeddings.ad", values).ok());
  stores.lazy->touch(2, std::vector<uint32_t>{1, 2, 999});
  EXPECT_EQ(stores.lazy->read("embeddings.ad").value(), values);
  EXPECT_EQ(stores.lazy->read("embeddings.ad.accumulator").value(), std::vector<float>(1000, 0.1f));
  const std::vector<float> state(1000, 2.0f);
  const LazyAndEager others(small_options());
  ASSERT_TRUE(others.lazy->write("embeddings.ad.accumulator", state).ok());
  EXPECT_EQ(others.lazy->read("embeddings.ad").value(), others.eager->read("embeddings.ad").value());
  EXPECT_EQ(others.lazy->read("embeddings.ad.accumulator").value(), state);
}

TEST(ParameterStore, TablesOf16BitsHoldTheNearestValues) {
  auto options = small_options();
  const auto wide = make(options);
  options.table_type = TableType::kBfloat16;
  const LazyAndEager stores(options);
  std::vector<float> nearest = wide->read("embeddings.ad").value();
  std::vector<Bfloat16> narrow(nearest.size());
  to_bfloat16(nearest, narrow);
  to_float(narrow, nearest);
  for (const auto& store : {stores.eager, stores.lazy}) {
    EXPECT_TRUE(store->weights(2).empty());
    EXPECT_EQ(store->narrow_weights(2).size(), 7000u);
    EXPECT_TRUE(store->narrow_weights(0).empty()) << "only tables";
    EXPECT_EQ(store->read("tower.0.weight").value(), wide->read("tower.0.weight").value());
    EXPECT_EQ(store->read("embeddings.ad").value(), nearest);
    EXPECT_EQ(wide->bytes() - store->bytes(), 7000 * sizeof(Bfloat16));
  }
  stores.lazy->touch(2, std::vector<uint32_t>{0, 5, 999});
  EXPECT_EQ(stores.lazy->read("embeddings.ad").value(), nearest) << "drawn rows are those that a read would draw";
  const std::vector<float> values(7000, 1.01f);
  ASSERT_TRUE(stores.lazy->write("embeddings.ad", values).ok());
  EXPECT_EQ(stores.lazy->read("embeddings.ad").value(), std::vector<float>(7000, 1.0078125f));
  EXPECT_EQ(stores.lazy->write("embeddings.ad", std::vector<float>(3)).code(), Code::kInvalidArgument);
}

TEST(ParameterStore, RefusesTensorsThatAreNotThereOrDoNotFit) {
  const auto store = make(small_options());
  EXPECT_EQ(store->read("embeddings.ad.v").status().code(), Code::kNotFound);
  EXPECT_EQ(store->write("nothing", {}).code(), Code::kNotFound);
  EXPECT_EQ(store->write("tower.0.bias", std::vector<float>(2)).code(), Code::kInvalidArgument);
}

TEST(ParameterStore, FindsByName) {
  const auto store = make(small_options());
  EXPECT_EQ(store->find("embeddings.ad").value(), 2u);
  EXPECT_EQ(store->find("nothing").status().code(), Code::kNotFound);
}

TEST(ParameterStore, RefusesBadOptions) {
  const auto refused = [](auto change, const char* expected) {
    auto options = small_options();
    change(options);
    const auto store = ParameterStore::create(options);
    ASSERT_FALSE(store.ok()) << expected;
    EXPECT_NE(store.status().message().find(expected), std::string::npos) << store.status().message();
  };
  refused([](auto& o) { o.parameters[1].name = "tower.0.weight"; }, "tower.0.weight is given twice");
  refused([](auto& o) { o.parameters[0].shape = {3, 0}; }, "dimension 0");
  refused([](auto& o) { o.parameters[2].shape = {1000}; }, "[rows, dim]");
  refused([](auto& o) { o.parameters[2].shape = {int64_t{1} << 40, int64_t{1} << 40}; }, "too large");
  refused([](auto& o) { o.dense.beta1 = 1; }, "beta1");
  refused([](auto& o) { o.sparse.epsilon = NAN; }, "epsilon");
}

}  // namespace
}  // namespace prerank
