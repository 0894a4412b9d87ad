// Time by operation, and that asking for it changes nothing else.
#include <gtest/gtest.h>

#include <vector>

#include "program_fixture.h"

namespace prerank {
namespace {

using testing::LinearBatch;
using testing::linear_plan;
using testing::linear_store;
using testing::make_program;

TEST(ProgramProfile, NamesThePlansOperationsThenItsOwn) {
  const auto program = make_program(linear_plan(16), linear_store(), 2, 64, {.profile = true});
  ASSERT_TRUE(program->step(LinearBatch(40).batch, {0, 0.1, 0.1, true}).ok());
  const std::vector<OperationTime> times = program->operation_times();
  const std::vector<const char*> kinds = {"embedding", "copy", "linear", "loss", "linear.dw", "linear.dx",
 "tables.touch",
                                          "accumulators.clear", "weights.pack", "accumulators.reduce", "gradient.norm",
                                          "update.dense", "update.sparse"};
  ASSERT_EQ(times.size(), kinds.size());
  for (size_t i = 0; i < kinds.size(); ++i) {
    EXPECT_EQ(times[i].kind, kinds[i]);
    if (times[i].kind == "tables.touch") continue;  // no table is lazy
    EXPECT_GT(times[i].seconds, 0) << kinds[i];
    // 40 rows are three tiles of 16; a region runs once on each of two workers.
    EXPECT_EQ(times[i].calls, i < 6 ? 3u : 2u) << kinds[i];
  }
  EXPECT_EQ(times[3].layer, "test.loss");
  EXPECT_TRUE(times[4].backward);
  EXPECT_EQ(times.back().layer, "embeddings.ad");
}

TEST(ProgramProfile, AddsUpOverSteps) {
  const auto program = make_program(linear_plan(16), linear_store(), 2, 64, {.profile = true});
  const LinearBatch data(40);
  ASSERT_TRUE(program->step(data.batch, {0, 0.1, 0.1, true}).ok());
  const std::vector<OperationTime> once = program->operation_times();
  ASSERT_TRUE(program->step(data.batch, {1, 0.1, 0.1, true}).ok());
  const std::vector<OperationTime> twice = program->operation_times();
  for (size_t i = 0; i < once.size(); ++i) {
    EXPECT_GE(twice[i].seconds, once[i].seconds) << once[i].kind;
    EXPECT_EQ(twice[i].calls, 2 * once[i].calls) << once[i].kind;
  }
}

TEST(ProgramProfile, ChangesNoResult) {
  const LinearBatch data(40);
  std::vector<std::vector<float>> weights;
  for (const bool profile : {false, true}) {
    const auto store = linear_store();
    const auto program = make_program(linear_plan(16), store, 2, 64, {.profile = profile});
    ASSERT_TRUE(program->step(data.batch, {0, 0.1, 0.1, true}).ok());
    EXPECT_EQ(program->operation_times().empty(), !profile);
    const std::span<const float> table = store->weights(2);
    weights.emplace_back(table.begin(), table.end());
  }
  EXPECT_EQ(weights[0], weights[1]);
}

}  // namespace
}  // namespace prerank
