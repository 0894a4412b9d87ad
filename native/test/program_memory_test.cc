// Where the values of a plan lie.
#include "plan/program_memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <vector>

#include "program_fixture.h"

namespace prerank {
namespace {

using testing::kDense;
using testing::kWidth;
using testing::linear_plan;
using testing::linear_store;
using testing::LinearBatch;
using testing::make_op;
using testing::make_program;
using testing::root_value;

constexpr int32_t kCat = 1, kDensePart = 2, kPooled = 3, kLossGradient = 7, kCatGradient = 10, kPooledGradient = 11;

// linear_plan with rows of `stride` floats for the concatenation and its gradient.
Plan padded_plan(int64_t stride) {
  Plan plan = linear_plan(16);
  for (const int32_t id : {kCat, kDensePart, kPooled, kCatGradient, kPooledGradient}) {
    plan.values[static_cast<size_t>(id)].stride = stride;
  }
  plan.values[kLossGradient].offset = stride;
  plan.tile_floats = stride + 8;
  return plan;
}

uintptr_t place_in_line(const float* address) { return reinterpret_cast<uintptr_t>(address) % 64; }

TEST(ProgramMemory, VectorsOfTablesStartAtALine) {
  const auto store = linear_store();
  auto memory = ProgramMemory::create(padded_plan(32), *store, {2, 100, 0});
  ASSERT_TRUE(memory.ok());
  for (const size_t worker : {0, 1}) {
    const std::span<float*> base = memory.value().base(worker);
    EXPECT_EQ(place_in_line(base[kPooled]), 0u);
    EXPECT_EQ(base[kPooled] - base[kCat], kDense);
    EXPECT_EQ(base[kDensePart], base[kCat]);
    EXPECT_EQ(place_in_line(base[kPooledGradient]), 0u);
    EXPECT_EQ(base[kPooledGradient] - base[kCatGradient], kDense);
    // The last row's end is not behind what follows in the arena.
    EXPECT_LE(base[kCat] + 15 * 32 + kWidth, base[kLossGradient]);
  }
}

TEST(ProgramMemory, RowsWithoutRoomStartWhereTheyDid) {
  const auto store = linear_store();
  auto memory = ProgramMemory::create(padded_plan(16), *store, {1, 100, 0});
  ASSERT_TRUE(memory.ok());
  EXPECT_EQ(place_in_line(memory.value().base(0)[kCat]), 0u);
  EXPECT_EQ(place_in_line(memory.value().base(0)[kCatGradient]), 0u);
}

TEST(ProgramMemory, ValuesThatAreOverwrittenInPlaceStartTogether) {
  Plan plan = padded_plan(32);
  const auto id = static_cast<int32_t>(plan.values.size());
  plan.values.push_back(root_value("relu", Domain::kRow, Storage::kTile, {kWidth}, id, 32));
  plan.segments[0].ops.push_back(make_op("relu", {kCat}, {id}));
  const auto store = linear_store();
  auto memory = ProgramMemory::create(plan, *store, {1, 100, 0});
  ASSERT_TRUE(memory.ok());
  const std::span<float*> base = memory.value().base(0);
  EXPECT_EQ(base[static_cast<size_t>(id)], base[kCat]);
}

TEST(ProgramMemory, WhereValuesLieChangesNoResult) {
  for (const size_t threads : {1, 2}) {
    std::vector<std::vector<float>> weights;
    for (const int64_t stride : {8, 16, 32, 48}) {
      const auto store = linear_store();
      const auto program = make_program(stride == 8 ? linear_plan(16) : padded_plan(stride), store, threads, 100);
      ASSERT_NE(program, nullptr);
      for (uint64_t step = 0; step < 3; ++step) {
        const LinearBatch batch(step == 1 ? 100 : 37, step);
        ASSERT_TRUE(program->step(batch.batch, {step, 0.1, 0.1, true}).ok());
      }
      const auto table = store->weights(store->find("embeddings.ad").value());
      weights.emplace_back(table.begin(), table.end());
      EXPECT_EQ(weights.back(), weights.front()) << stride << " floats a row, " << threads << " threads";
    }
  }
}

}  // namespace
}  // namespace prerank
