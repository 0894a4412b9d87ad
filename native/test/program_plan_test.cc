// Plans that must be refused, the request domain, and steps that allocate nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "program_allocation_counter.h"
#include "program_fixture.h"

namespace prerank {
namespace {

using testing::LinearBatch;
using testing::linear_plan;
using testing::linear_store;
using testing::make_op;
using testing::make_program;
using testing::root_value;

TEST(ProgramMemory, StepsAllocateNothing) {
  for (const size_t threads : {1, 3}) {
    ProgramOptions options;
    options.clip_norm = 1;
    options.clip_scope = ClipScope::kAll;
    const auto program = make_program(linear_plan(16), linear_store(DenseOptimizerKind::kAdam), threads, 200, options);
    const LinearBatch full(200), tail(7);
    for (uint64_t step = 0; step < 2; ++step) ASSERT_TRUE(program->step(full.batch, {step, 0.1, 0.1, true}).ok());
    const size_t before = testing::allocation_count();
    for (uint64_t step = 2; step < 10; ++step) {
      const bool ok = program->step(step % 2 == 0 ? full.batch : tail.batch, {step, 0.1, 0.1, true}).ok();
      if (!ok) FAIL();
    }
    EXPECT_EQ(testing::allocation_count() - before, 0u) << threads << " threads";
  }
}

TEST(ProgramMemory, BalancingAllocatesNothingAndLeavesASingleTaskAlone) {
  Plan plan = linear_plan(16);
  plan.balancing = PlanBalancing{BalancingKind::kPcgrad, GradientNorm::kNone, {{{8}}, {{9}}}, {}, -1};
  const auto store = linear_store(DenseOptimizerKind::kAdam), plain_store = linear_store(DenseOptimizerKind::kAdam);
  const auto program = make_program(plan, store, 2, 200);
  const auto plain = make_program(linear_plan(16), plain_store, 2, 200);
  const LinearBatch batch(200);
  for (uint64_t step = 0; step < 2; ++step) ASSERT_TRUE(program->step(batch.batch, {step, 0.1, 0.1, true}).ok());
  const size_t before = testing::allocation_count();
  for (uint64_t step = 2; step < 10; ++step) {
    const bool ok = program->step(batch.batch, {step, 0.1, 0.1, true}).ok();
    if (!ok) FAIL();
  }
  EXPECT_EQ(testing::allocation_count() - before, 0u);
  for (uint64_t step = 0; step < 10; ++step) ASSERT_TRUE(plain->step(batch.batch, {step, 0.1, 0.1, true}).ok());
  for (size_t p = 0; p < 2; ++p) EXPECT_TRUE(std::ranges::equal(store->weights(p), plain_store->weights(p)));
  ASSERT_NE(program->balance(), nullptr);
  EXPECT_EQ(program->balance()->weights, std::vector<double>{1});
  EXPECT_EQ(plain->balance(), nullptr);
}

std::string refusal(const std::function<void(Plan&)>& change) {
  Plan plan = linear_plan(16);
  change(plan);
  ProgramOptions options;
  options.capacity = 32;
  const auto program = Program::create(std::move(plan), linear_store(), options);
  return program.ok() ? "accepted" : program.status().message();
}

TEST(ProgramPlan, NamesWhatIsWrong) {
  const auto names = [](const std::string& message, const char* part) {
    return message.find(part) != std::string::npos ? ::testing::AssertionSuccess()
                                                   : ::testing::AssertionFailure() << message;
  };
  EXPECT_TRUE(names(refusal([](Plan& p) { p.parameters[0].name = "other"; }), "no parameter other"));
  EXPECT_TRUE(names(refusal([](Plan& p) { p.parameters[0].shape = {7, 1}; }), "top.weight has shape [7, 1]"));
  EXPECT_TRUE(names(refusal([](Plan& p) { p.tables[0].rows = 12; }), "embeddings.ad has shape [12, 4]"));
  EXPECT_TRUE(names(refusal([](Plan& p) { p.segments[0].ops[2].kind = "nonsense"; }), "nonsense"));
  EXPECT_TRUE(names(refusal([](Plan& p) { p.segments[0].ops[2].outputs = {4}; }), "cannot write W"));
  EXPECT_TRUE(names(refusal([](Plan& p) { p.values[3].column = 4; }), "columns 4 to 8"));
  EXPECT_TRUE(names(refusal([](Plan& p) { p.values[7].offset = 16; }), "tile arena of 16"));
  EXPECT_TRUE(names(refusal([](Plan& p) { p.tasks[0].logits = 1; }), "click"));
  EXPECT_TRUE(names(refusal([](Plan& p) { p.outputs[0].value = 1; }), "not kept"));
  EXPECT_TRUE(names(refusal([](Plan& p) { p.sparse_gradients.push_back(p.sparse_gradients[0]); }), "two lookups"));
  EXPECT_TRUE(names(refusal([](Plan& p) { p.segments.push_back(p.segments[0]); }), "does not outlive"));
}

// Every number of every value, set to every kind of nonsense: refused or harmless, never a crash.
TEST(ProgramPlan, AnyDamagedValueIsRefusedOrHarmless) {
  const size_t values = linear_plan(16).values.size();
  size_t refused = 0;
  for (size_t i = 0; i < values; ++i) {
    for (const int64_t wrong : {int64_t{-2}, int64_t{-1}, int64_t{0}, int64_t{5}, int64_t{1} << 30, INT64_MAX, INT64_MIN}) {
      for (int field = 0; field < 7; ++field) {
        Plan plan = linear_plan(16);
        PlanValue& value = plan.values[i];
        switch (field) {
          case 0: value.width = wrong; break;
          case 1: value.root = static_cast<int32_t>(wrong); break;
          case 2: value.column = wrong; break;
          case 3: value.stride = wrong; break;
          case 4: value.offset = wrong; break;
          case 5: value.binding = static_cast<int32_t>(wrong); break;
          default: value.shape = {wrong}; break;
        }
        const auto program = make_program(std::move(plan), linear_store(), 2, 32);
        if (program == nullptr) {
          ++refused;
          continue;
        }
        static_cast<void>(program->step(LinearBatch(20).batch, {0, 0.1, 0.1, true}));
      }
    }
  }
  EXPECT_GT(refused, values * 7 * 3);
}

TEST(ProgramPlan, StoreWithoutOptimizerStateCannotTrain) {
  ParameterStore::Options options = linear_store()->options();
  options.training = false;
  const auto program = make_program(linear_plan(16), std::move(ParameterStore::create(options)).value(), 1, 32);
  EXPECT_EQ(program->step(LinearBatch(20).batch, {0, 0.1, 0.1, true}).code(), Code::kInvalidArgument);
  EXPECT_TRUE(program->step(LinearBatch(20).batch, {0, 0.1, 0.1, false}).ok());
}

// A request's logit for all of its rows: h = w u, expanded; the gradient of w sums over the rows of each request.
Plan request_plan() {
  Plan plan;
  plan.tile_rows = 4;
  plan.tile_floats = 16;
  plan.accumulator_floats = 16;
  auto& v = plan.values;
  v.push_back(root_value("u", Domain::kRequest, Storage::kInput, {2}, 0, 2, 0, 0));
  v.push_back(root_value("w", Domain::kNone, Storage::kParam, {1, 2}, 1, 2, 0, 0));
  v.push_back(root_value("h", Domain::kRequest, Storage::kFull, {1}, 2, 1));
  v.push_back(root_value("logit", Domain::kRow, Storage::kTile, {1}, 3, 1));
  v.push_back(root_value("dlogit", Domain::kRow, Storage::kFull, {1}, 4, 1));
  v.push_back(root_value("dh", Domain::kRequest, Storage::kTile, {1}, 5, 1));
  v.push_back(root_value("dw", Domain::kNone, Storage::kGrad, {1, 2}, 6, 2, 0, 1));
  PlanOp linear = make_op("linear", {0, 1}, {2});
  linear.strings["activation"] = "none";
  plan.segments = {
      {Domain::kRequest, Phase::kTiles, {linear}},
      {Domain::kRow, Phase::kTiles, {make_op("expand", {2}, {3}), make_op("loss", {3}, {4})}},
      {Domain::kRequest, Phase::kTiles, {make_op("expand.grad", {4}, {5}, true), make_op("linear.dw", {5, 0}, {6}, true)}}};
  plan.dense_inputs = {{"u", Domain::kRequest, 2}};
  plan.parameters = {{"user.weight", {1, 2}, 6}};
  PlanTask task;
  task.name = "score";
  task.kind = LossKind::kMse;
  plan.tasks = {task};
  plan.outputs = {{"h", 2}, {"dw", 6}, {"dlogit", 4}};
  return plan;
}

TEST(ProgramPlan, RequestValuesReachRowsAndGradientsComeBack) {
  ParameterStore::Options options;
  options.parameters = {{"user.weight", {1, 2}, {InitKind::kUniform, 0.5}, false}};
  const auto store = std::move(ParameterStore::create(options)).value();
  const std::vector<uint32_t> lengths = {3, 1, 6, 2, 9};
  std::vector<float> u, target;
  std::vector<uint32_t> request_of_row, offsets = {0};
  for (uint32_t q = 0; q < lengths.size(); ++q) {
    u.insert(u.end(), {0.5f * static_cast<float>(q), 1.0f - static_cast<float>(q)});
    for (uint32_t r = 0; r < lengths[q]; ++r) {
      target.push_back(static_cast<float>(request_of_row.size() % 3));
      request_of_row.push_back(q);
    }
    offsets.push_back(static_cast<uint32_t>(request_of_row.size()));
  }
  const std::vector<uint32_t> mask(target.size(), 1);
  Batch batch;
  batch.rows = target.size();
  batch.requests = lengths.size();
  batch.dense = {u.data()};
  batch.request_of_row = request_of_row;
  batch.request_offsets = offsets;
  batch.task_mask = mask;
  batch.targets = {target.data()};
  batch.inv_n = {1.0 / static_cast<double>(target.size())};
  for (const size_t threads : {1, 2, 5}) {
    const auto program = make_program(request_plan(), store, threads, 32);
    ASSERT_NE(program, nullptr);
    const Status status = program->step(batch, {0, 0, 0, false});
    ASSERT_TRUE(status.ok()) << status.message();
    std::vector<float> h(5), dw(2), dlogit(target.size());
    ASSERT_TRUE(program->read_output(0, h).ok());
    ASSERT_TRUE(program->read_output(1, dw).ok());
    ASSERT_TRUE(program->read_output(2, dlogit).ok());
    double expected[2] = {0, 0};
    for (size_t r = 0; r < target.size(); ++r) {
      const size_t q = request_of_row[r];
      const double hq = store->weights(0)[0] * u[2 * q] + store->weights(0)[1] * u[2 * q + 1];
      EXPECT_NEAR(h[q], hq, 1e-6);
      const double g = 2 * (hq - target[r]) * batch.inv_n[0];
      EXPECT_NEAR(dlogit[r], g, 1e-6);
      for (size_t c = 0; c < 2; ++c) expected[c] += g * u[2 * q + c];
    }
    EXPECT_NEAR(dw[0], expected[0], 1e-5);
    EXPECT_NEAR(dw[1], expected[1], 1e-5);
  }
  Batch without = batch;
  without.request_offsets = {};
  const auto program = make_program(request_plan(), store, 1, 32);
  EXPECT_EQ(program->step(without, {0, 0, 0, false}).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace prerank
