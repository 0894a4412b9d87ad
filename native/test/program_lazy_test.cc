// Programs on tables that are drawn where they are looked up.
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "program_fixture.h"

namespace prerank {
namespace {

using testing::LinearBatch;
using testing::linear_plan;
using testing::linear_store;
using testing::make_program;

std::shared_ptr<ParameterStore> lazy_store() {
  ParameterStore::Options options = linear_store()->options();
  options.eager_bytes = 1;
  return std::move(ParameterStore::create(std::move(options))).value();
}

TEST(ProgramLazy, TrainsToTheSameBytes) {
  const auto eager = linear_store(), lazy = lazy_store();
  ASSERT_TRUE(lazy->lazy(2));
  for (const auto& store : {eager, lazy}) {
    const auto program = make_program(linear_plan(16), store, 2, 64);
    for (uint64_t step = 0; step < 5; ++step) {
      ASSERT_TRUE(program->step(LinearBatch(40, step).batch, {step, 0.1, 0.1, true}).ok());
    }
  }
  for (const char* name : {"top.weight", "embeddings.ad", "embeddings.ad.accumulator"}) {
    EXPECT_EQ(lazy->read(name).value(), eager->read(name).value()) << name;
  }
}

TEST(ProgramLazy, PredictsFromRowsThatNoStepTouched) {
  Plan plan = linear_plan(16);
  plan.tasks.clear();
  plan.sparse_gradients.clear();
  plan.outputs = {{"logit", 6}};
  plan.segments[0].ops.resize(3);
  for (PlanParameter& parameter : plan.parameters) parameter.grad = -1;
  LinearBatch data(40);
  data.batch.table_index.clear();
  std::vector<std::vector<float>> outputs;
  for (const auto& store : {linear_store(), lazy_store()}) {
    const auto program = make_program(plan, store, 2, 64);
    ASSERT_NE(program, nullptr);
    ASSERT_TRUE(program->predict(data.batch).ok());
    std::vector<float>& logits = outputs.emplace_back(40);
    ASSERT_TRUE(program->read_output(0, logits).ok());
  }
  EXPECT_EQ(outputs[0], outputs[1]);
}

}  // namespace
}  // namespace prerank
