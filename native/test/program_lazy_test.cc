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

struct StoreKind {
  SparseOptimizerKind optimizer = SparseOptimizerKind::kRowwiseAdagrad;
  TableType table = TableType::kFloat32;
};

std::shared_ptr<ParameterStore> store_of(StoreKind kind, bool lazy) {
  ParameterStore::Options options = linear_store(DenseOptimizerKind::kSgd, kind.optimizer)->options();
  options.table_type = kind.table;
  options.eager_bytes = lazy ? 1 : 0;
  auto store = std::move(ParameterStore::create(std::move(options))).value();
  EXPECT_EQ(store->lazy(2), lazy);
  return store;
}

std::vector<std::vector<float>> tensors(ParameterStore& store) {
  std::vector<std::vector<float>> all;
  for (const Slot& slot : store.parameter_slots()) all.push_back(store.read(slot.name).value());
  for (const Slot& slot : store.state_slots()) all.push_back(store.read(slot.name).value());
  return all;
}

void train(const std::shared_ptr<ParameterStore>& store, size_t threads, uint64_t first, uint64_t end,
           ProgramOptions options = {}) {
  const auto program = make_program(linear_plan(16), store, threads, 64, options);
  ASSERT_NE(program, nullptr);
  // Batches grow: each finds rows that none before it looked up.
  for (uint64_t step = first; step < end; ++step) {
    ASSERT_TRUE(program->step(LinearBatch(2 + 6 * step, step).batch, {step, 0.1, 0.1, true}).ok());
  }
}

class ProgramLazyKinds : public ::testing::TestWithParam<StoreKind> {};
INSTANTIATE_TEST_SUITE_P(Kinds, ProgramLazyKinds,
                         ::testing::Values(StoreKind{SparseOptimizerKind::kSgd},
                                           StoreKind{SparseOptimizerKind::kRowwiseAdagrad},
                                           StoreKind{SparseOptimizerKind::kAdagrad},
                                           StoreKind{SparseOptimizerKind::kAdam},
                                           StoreKind{SparseOptimizerKind::kAdagrad, TableType::kBfloat16},
                                           StoreKind{SparseOptimizerKind::kRowwiseAdagrad, TableType::kBfloat16},
                                           StoreKind{SparseOptimizerKind::kAdagrad, TableType::kFloat16},
                                           StoreKind{SparseOptimizerKind::kRowwiseAdagrad, TableType::kFloat16}));

TEST_P(ProgramLazyKinds, TrainToTheSameBytes) {
  for (const size_t threads : {1, 2}) {
    const auto eager = store_of(GetParam(), false), lazy = store_of(GetParam(), true);
    for (const auto& store : {eager, lazy}) {
      train(store, threads, 0, 4);
      train(store, threads, 4, 8, {.clip_norm = 0.01, .clip_scope = ClipScope::kAll});  // another program
    }
    EXPECT_EQ(tensors(*lazy), tensors(*eager)) << threads << " threads";
  }
}

TEST_P(ProgramLazyKinds, ResumeWithOtherSlots) {
  const auto through = store_of(GetParam(), true), before = store_of(GetParam(), true),
             after = store_of(GetParam(), true);
  train(through, 1, 0, 7);
  train(before, 1, 0, 4);
  const auto copy = [&](const Slot& slot) {
    ASSERT_TRUE(after->write(slot.name, before->read(slot.name).value()).ok()) << slot.name;
  };
  for (const Slot& slot : before->parameter_slots()) copy(slot);
  for (const Slot& slot : before->state_slots()) copy(slot);
  train(after, 1, 4, 7);
  EXPECT_EQ(tensors(*after), tensors(*through));
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
  for (const bool lazy : {false, true}) {
    const auto store = store_of({}, lazy);
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
