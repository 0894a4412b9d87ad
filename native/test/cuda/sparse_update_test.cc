// Updates of tables on the device against the CPU's.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "cuda/sparse_model.h"

namespace prerank::test {
namespace {

constexpr std::array<SparseOptimizerKind, 4> kKinds = {SparseOptimizerKind::kSgd, SparseOptimizerKind::kAdagrad,
                                                       SparseOptimizerKind::kRowwiseAdagrad,
                                                       SparseOptimizerKind::kAdam};

// Sums of these gradients are exact in any order, and without fused multiply-adds every operation is the CPU's.
TEST(CudaSparseUpdate, IsBitForBitTheCpus) {
  const cpu::Isa before = cpu::isa();
  ASSERT_TRUE(cpu::set_isa_for_test(cpu::Isa::kBaseline));
  for (const SparseOptimizerKind kind : kKinds) {
    for (const TableType type : kEveryTableType) {
      // Not the row-wise sums of squares of what l2 makes of them.
      const double l2 = kind == SparseOptimizerKind::kRowwiseAdagrad ? 0 : 0.01;
      for (const std::array<int64_t, 3> dims :
           {std::array<int64_t, 3>{16, 3, 40}, {8, 128, 4}, {33, 1, 64}, {8, 200, 300}}) {
        SCOPED_TRACE("optimizer " + std::to_string(static_cast<int>(kind)) + ", " + name_of(type) + ", dim " +
                     std::to_string(dims[0]));
        SparseModel device(shared_plan(dims), kind, type, kSharedLimits);
        device.optimizer.l2 = l2;
        device.set_gradients(400, 3, 8);
        SparseModel cpu = device;
        cpu.set_gradients(400, 3, 8);
        auto update = device.device(400, 60);
        ASSERT_TRUE(update.ok()) << update.status().message();
        for (uint64_t step = 0; step < 3; ++step) {
          SparseBatch ids(device.plan, 400 - 100 * step, 60 - 10 * step, 10 + step, kSharedLimits, 3);
          run_update(update.value(), ids, device.numbers(step));
          cpu.update_on_cpu(ids, step);
          for (size_t t = 0; t < 3; ++t) {
            ASSERT_TRUE(device.tables[t] == cpu.tables[t]) << "table " << t << ", step " << step;
          }
        }
      }
    }
  }
  cpu::set_isa_for_test(before);
}

// Steps from weights of every size to others: subnormal ones, saturated ones, and what is not finite.
TEST(CudaSparseUpdate, RoundsEverySizeAsTheCpu) {
  const cpu::Isa before = cpu::isa();
  ASSERT_TRUE(cpu::set_isa_for_test(cpu::Isa::kBaseline));
  constexpr uint64_t kLimits[] = {100};
  for (const TableType type : kNarrowTypes) {
    for (const int64_t dim : {8, 33}) {
      SCOPED_TRACE(std::string(name_of(type)) + ", dim " + std::to_string(dim));
      const Plan plan = sparse_plan({{"a", 100, dim}}, {{.table = 0}});
      SparseModel device(plan, SparseOptimizerKind::kSgd, type, kLimits);
      device.set_gradients(100, 3, 0);
      SparseModel cpu = device;
      cpu.set_gradients(100, 3, 0);
      for (size_t i = 0; i < device.memory[0].size(); ++i) {
        const float gradient = i % 97 == 5 ? INFINITY : std::ldexp(device.memory[0][i], static_cast<int>(i % 60) - 30);
        device.memory[0][i] = cpu.memory[0][i] = gradient;
      }
      std::vector<float> weights(100 * static_cast<size_t>(dim));
      for (size_t i = 0; i < weights.size(); ++i) {
        weights[i] = std::ldexp(1 + static_cast<float>(i % 7) / 8, static_cast<int>(i % 40) - 24);
      }
      device.tables[0].weights = cpu.tables[0].weights = HeldWeights(type, weights);
      auto update = device.device(100, 0);
      ASSERT_TRUE(update.ok()) << update.status().message();
      SparseBatch ids(plan, 100, 0, 1, kLimits);
      for (uint32_t i = 0; i < 100; ++i) ids.ids[0][i] = i;
      run_update(update.value(), ids, device.numbers(0));
      cpu.update_on_cpu(ids, 0);
      EXPECT_TRUE(device.tables[0] == cpu.tables[0]);
      EXPECT_FALSE(device.tables[0].weights == HeldWeights(type, weights));
    }
  }
  cpu::set_isa_for_test(before);
}

TEST(CudaSparseUpdate, FollowsTheCpuAtEveryWidth) {
  for (const SparseOptimizerKind kind : kKinds) {
    for (const int64_t dim : {1, 6, 20, 100, 130, 150, 256, 300, 515, 1024}) {
      for (const size_t shift : {0, 1}) {
        SCOPED_TRACE("optimizer " + std::to_string(static_cast<int>(kind)) + ", dim " + std::to_string(dim));
        const Plan plan = sparse_plan({{"a", 12, dim}, {"b", 100, dim}},
                                      {{.table = 0}, {.table = 1, .multi = true, .weighted = true}});
        const uint64_t limits[] = {12, 100};
        SparseModel device(plan, kind, TableType::kFloat32, limits);
        device.optimizer.l2 = 0.01;
        device.set_gradients(90, 4, 0, shift);
        SparseModel cpu = device;
        cpu.set_gradients(90, 4, 0, shift);
        auto update = device.device(90, 0);
        ASSERT_TRUE(update.ok()) << update.status().message();
        SparseBatch ids(plan, 90, 0, 6, limits, 2);
        run_update(update.value(), ids, device.numbers(0));
        cpu.update_on_cpu(ids, 0);
        for (size_t t = 0; t < 2; ++t) {
          const std::vector<float> held = cpu.tables[t].weights.values();
          const std::vector<double> weights(held.begin(), held.end());
          const std::vector<double> state0(cpu.tables[t].state0.begin(), cpu.tables[t].state0.end());
          const std::vector<double> state1(cpu.tables[t].state1.begin(), cpu.tables[t].state1.end());
          expect_near(device.tables[t].weights.values(), weights, 1e-5, "weights");
          expect_near(device.tables[t].state0, state0, 1e-5, "state");
          expect_near(device.tables[t].state1, state1, 1e-5, "second state");
        }
      }
    }
  }
}

// One row with nearly all entries of thousands: in a block of its own, in a few warps', and beside rows that begin and
// end in chunks; then one entry, and none.
TEST(CudaSparseUpdate, SumsHotRowsOverManyChunks) {
  const cpu::Isa before = cpu::isa();
  ASSERT_TRUE(cpu::set_isa_for_test(cpu::Isa::kBaseline));
  constexpr uint64_t kHotLimits[] = {3, 200};
  for (const SparseOptimizerKind kind : {SparseOptimizerKind::kRowwiseAdagrad, SparseOptimizerKind::kAdam}) {
    for (const int64_t dim : {2, 4, 96, 260}) {
      for (const size_t rows : {4000, 700, 1, 0}) {
        SCOPED_TRACE("dim " + std::to_string(dim) + ", rows " + std::to_string(rows));
        const Plan plan = sparse_plan({{"a", 3, dim}, {"b", 200, dim}}, {{.table = 0}, {.table = 1}});
        SparseModel device(plan, kind, TableType::kBfloat16, kHotLimits);
        device.set_gradients(4000, 8, 2);
        SparseModel cpu = device;
        cpu.set_gradients(4000, 8, 2);
        auto update = device.device(4000, 0);
        ASSERT_TRUE(update.ok()) << update.status().message();
        SparseBatch ids(plan, rows, 0, 2, kHotLimits, 1);
        for (size_t i = 0; i < ids.ids[1].size(); i += 50) ids.ids[1][i] = static_cast<uint32_t>(i / 50 % 200);
        run_update(update.value(), ids, device.numbers(5));
        cpu.update_on_cpu(ids, 5);
        for (size_t t = 0; t < 2; ++t) ASSERT_TRUE(device.tables[t] == cpu.tables[t]) << "table " << t;
      }
    }
  }
  cpu::set_isa_for_test(before);
}

TEST(CudaSparseUpdate, GivesTheSameBitsWhateverThereIsRoomFor) {
  const Plan plan = shared_plan({16, 20, 132});
  std::vector<std::vector<SparseTableData>> results;
  std::vector<double> norms;
  for (const size_t capacity : {350, 350, 5000}) {
    SparseModel model(plan, SparseOptimizerKind::kRowwiseAdagrad, TableType::kFloat32, kSharedLimits);
    model.set_gradients(350, 3, 0);
    auto update = model.device(capacity, capacity);
    ASSERT_TRUE(update.ok());
    SparseBatch ids(plan, 350, 50, 4, kSharedLimits, 2);
    norms.push_back(run_norm(update.value(), ids));
    run_update(update.value(), ids, model.numbers(0));
    results.push_back(model.tables);
  }
  EXPECT_TRUE(results[0] == results[1] && results[0] == results[2]);
  EXPECT_EQ(norms[0], norms[1]);
  EXPECT_EQ(norms[0], norms[2]);
}

TEST(CudaSparseUpdate, ChangesNothingWhenRefusedOrNotUpdating) {
  SparseModel model(shared_plan({16, 3, 40}), SparseOptimizerKind::kAdam, TableType::kFloat32, kSharedLimits);
  model.set_gradients(100, 3, 0);
  auto update = model.device(100, 20);
  ASSERT_TRUE(update.ok());
  const std::vector<SparseTableData> before = model.tables;
  SparseBatch ids(model.plan, 100, 20, 4, kSharedLimits, 2);
  run_update(update.value(), ids, model.numbers(0), {.refused = 1});
  EXPECT_TRUE(model.tables == before);
  cuda::StepNumbers numbers = model.numbers(0);
  numbers.update = 0;
  run_update(update.value(), ids, numbers);
  EXPECT_TRUE(model.tables == before);
  run_update(update.value(), ids, model.numbers(0));
  EXPECT_FALSE(model.tables == before);
}

// Rows that only an input without gradient looks up, and all rows when no input has one.
TEST(CudaSparseUpdate, RowsWithoutGradientStay) {
  const Plan plan = sparse_plan({{"a", 40, 8}}, {{.table = 0}, {.table = 0}});
  const uint64_t limits[] = {40};
  SparseModel model(plan, SparseOptimizerKind::kSgd, TableType::kFloat32, limits);
  model.optimizer.l2 = 1;
  model.set_gradients(30, 3, 0);
  model.pooled[1] = {};
  SparseBatch ids(plan, 30, 0, 1, limits);
  for (uint32_t& id : ids.ids[0]) id %= 20;
  const SparseTableData before = model.tables[0];
  auto update = model.device(30, 0);
  ASSERT_TRUE(update.ok());
  run_update(update.value(), ids, model.numbers(0));
  EXPECT_FALSE(model.tables[0] == before);
  const std::vector<float> first = before.weights.values(), then = model.tables[0].weights.values();
  EXPECT_TRUE(std::equal(first.begin() + 20 * 8, first.end(), then.begin() + 20 * 8));

  model.pooled[0] = {};
  const SparseTableData after = model.tables[0];
  auto nothing = model.device(30, 0);
  ASSERT_TRUE(nothing.ok());
  run_update(nothing.value(), ids, model.numbers(0));
  EXPECT_TRUE(model.tables[0] == after);
  EXPECT_EQ(run_norm(nothing.value(), ids), 0.0);
}

// Only the rows looked up exist here, of more than 2^32.
TEST(CudaSparseUpdate, ReachesRowsBehind32Bits) {
  const cpu::Isa before = cpu::isa();
  ASSERT_TRUE(cpu::set_isa_for_test(cpu::Isa::kBaseline));
  const Plan plan = sparse_plan({{"a", int64_t{1} << 32, 4}, {"b", 3000, 4}},
                                {{.table = 0}, {.table = 1, .multi = true, .pooling = Pooling::kMean}});
  const uint64_t limits[] = {50, 60};
  SparseModel device(plan, SparseOptimizerKind::kAdagrad, TableType::kFloat32, limits);
  device.set_gradients(200, 3, 8);
  SparseModel cpu = device;
  cpu.set_gradients(200, 3, 8);
  auto update = device.device(200, 0);
  ASSERT_TRUE(update.ok()) << update.status().message();
  SparseBatch ids(plan, 200, 0, 1, limits);
  run_update(update.value(), ids, device.numbers(0));
  cpu.update_on_cpu(ids, 0);
  for (size_t t = 0; t < 2; ++t) EXPECT_TRUE(device.tables[t] == cpu.tables[t]) << "table " << t;
  cpu::set_isa_for_test(before);
}

// A captured update follows the batches that are indexed between its launches.
TEST(CudaSparseUpdate, RunsFromAGraph) {
  const Plan plan = shared_plan({16, 3, 40});
  SparseModel graph(plan, SparseOptimizerKind::kRowwiseAdagrad, TableType::kFloat32, kSharedLimits);
  graph.set_gradients(300, 3, 0);
  SparseModel plain = graph;
  plain.set_gradients(300, 3, 0);
  auto captured = graph.device(300, 60), direct = plain.device(300, 60);
  ASSERT_TRUE(captured.ok() && direct.ok());
  auto stream = cuda::make_stream();
  const cudaStream_t s = stream.value().get();
  cuda::StepNumbers numbers = graph.numbers(0);
  cuda::StepResult result = {.sparse_scale = static_cast<float>(SparseModel::kScale)};
  cuda::GraphExec executable;
  uint64_t generation = 0;
  for (uint64_t step = 0; step < 4; ++step) {
    SparseBatch ids(plan, 60 + 60 * step, 60, 20 + step, kSharedLimits, 2);
    ASSERT_TRUE(captured.value().index(s, ids.device, ids.counts, ids.rows, ids.requests).ok());
    numbers = graph.numbers(step);
    if (!executable || captured.value().generation() != generation) {
      generation = captured.value().generation();
      cudaGraph_t recorded = nullptr;
      cudaGraphExec_t instance = nullptr;
      ASSERT_EQ(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal), cudaSuccess);
      ASSERT_TRUE(captured.value().enqueue_update(s, {.numbers = &numbers, .result = &result}).ok());
      ASSERT_EQ(cudaStreamEndCapture(s, &recorded), cudaSuccess);
      ASSERT_EQ(cudaGraphInstantiate(&instance, recorded), cudaSuccess);
      ASSERT_EQ(cudaGraphDestroy(recorded), cudaSuccess);
      executable = cuda::GraphExec(instance);
    }
    ASSERT_EQ(cudaGraphLaunch(executable.get(), s), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(s), cudaSuccess);
    run_update(direct.value(), ids, plain.numbers(step));
    for (size_t t = 0; t < 3; ++t) {
      ASSERT_TRUE(graph.tables[t] == plain.tables[t]) << "table " << t << ", step " << step;
    }
  }
}

// A batch for which there is no room leaves no graph that a later batch could run with addresses of freed memory.
TEST(CudaSparseUpdate, ChangesItsGenerationWhenMemoryRunsOut) {
  constexpr size_t kBags = 300;
  const uint64_t limits[] = {50, 60};
  const Plan plan =
      sparse_plan({{"a", 50, 4}, {"b", 60, 256}}, {{.table = 0, .multi = true}, {.table = 1, .multi = true}});
  // As many ids as there is room for, but all of the wide table.
  const std::vector<uint32_t> ids(2 * kBags, 7), none(kBags + 1, 0);
  std::vector<uint32_t> pairs(kBags + 1);
  for (size_t bag = 0; bag <= kBags; ++bag) pairs[bag] = static_cast<uint32_t>(2 * bag);
  const cuda::DeviceIds lists[] = {{ids.data(), none.data(), nullptr}, {ids.data(), pairs.data(), nullptr}};
  const size_t counts[] = {0, ids.size()};
  cuda::DeviceBatch batch;
  batch.ids = lists;
  auto stream = cuda::make_stream();
  ASSERT_TRUE(stream.ok());
  size_t replaced = 0;
  for (size_t more = 0;; more += 100) {
    ASSERT_LT(more, 200'000u) << "the batch never fits";
    SparseModel model(plan, SparseOptimizerKind::kSgd, TableType::kFloat32, limits);
    model.set_gradients(kBags, 1, 0);
    auto update = model.device(kBags, 0);
    ASSERT_TRUE(update.ok());
    const size_t bytes = update.value().bytes();
    const uint64_t generation = update.value().generation();
    size_t free = 0, total = 0;
    ASSERT_EQ(cudaMemGetInfo(&free, &total), cudaSuccess);
    setenv("PRERANK_EMULATED_DEVICE", ("memory=" + std::to_string(total - free + more)).c_str(), 1);
    const Status indexed = update.value().index(stream.value().get(), batch, counts, kBags, 0);
    unsetenv("PRERANK_EMULATED_DEVICE");
    ASSERT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
    if (update.value().bytes() != bytes) {
      EXPECT_NE(update.value().generation(), generation) << more << " bytes more";
    }
    if (indexed.ok()) break;
    EXPECT_EQ(indexed.code(), Code::kOutOfMemory);
    if (update.value().bytes() > bytes) ++replaced;
  }
  EXPECT_GT(replaced, 0u) << "partials grew, and norms did not";
}

TEST(CudaSparseUpdate, RefusesTablesThatAreTooWide) {
  const uint64_t limits[] = {2};
  for (const bool trained : {true, false}) {
    const Plan plan = sparse_plan({{"a", 2, 1028}}, {{.table = 0, .trained = trained}});
    SparseModel model(plan, SparseOptimizerKind::kSgd, TableType::kFloat32, limits);
    model.set_gradients(4, 1, 0);
    EXPECT_EQ(model.device(4, 0).status().code(), trained ? Code::kUnsupported : Code::kOk);
  }
}

}  // namespace
}  // namespace prerank::test
