#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "held_weights.h"
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

TEST(ParameterStore, TablesOf16BitsHoldTheNearestValues) {
  auto options = small_options();
  const auto wide = make(options);
  for (const auto& [type, of_1_01] :
       {std::pair{TableType::kBfloat16, 1.0078125f}, {TableType::kFloat16, 1.009765625f}}) {
    SCOPED_TRACE(test::name_of(type));
    options.table_type = type;
    const auto store = make(options);
    const std::vector<float> drawn = wide->read("embeddings.ad").value();
    EXPECT_TRUE(store->weights(2).empty());
    EXPECT_EQ(type_of(store->table_weights(2)), type);
    EXPECT_NE(address_of(store->table_weights(2)), nullptr);
    EXPECT_EQ(type_of(store->table_weights(0)), TableType::kFloat32) << "only tables";
    EXPECT_EQ(address_of(store->table_weights(0)), store->weights(0).data());
    EXPECT_EQ(store->read("tower.0.weight").value(), wide->read("tower.0.weight").value());
    EXPECT_EQ(store->read("embeddings.ad").value(), test::held(type, drawn));
    EXPECT_NE(store->read("embeddings.ad").value(), drawn);
    EXPECT_EQ(wide->bytes() - store->bytes(), 7000 * bytes_of(type));
    ASSERT_TRUE(store->write("embeddings.ad", std::vector<float>(7000, 1.01f)).ok());
    EXPECT_EQ(store->read("embeddings.ad").value(), std::vector<float>(7000, of_1_01));
    EXPECT_EQ(store->write("embeddings.ad", std::vector<float>(3)).code(), Code::kInvalidArgument);
  }
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
