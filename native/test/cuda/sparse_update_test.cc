// Updates of tables on the device against the CPU's, and the norm of their gradients.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "base/table_rounding.h"
#include "cpu/optimizers.h"
#include "cuda/sparse_update.h"
#include "cuda/sparse_fixture.h"
#include "kernel_harness.h"

namespace prerank::test {
namespace {

constexpr std::array<SparseOptimizerKind, 4> kKinds = {SparseOptimizerKind::kSgd, SparseOptimizerKind::kAdagrad,
                                                       SparseOptimizerKind::kRowwiseAdagrad,
                                                       SparseOptimizerKind::kAdam};

// Weights and state of a table, and where they are.
struct TableData {
  std::vector<float> wide;
  std::vector<Bfloat16> narrow;
  std::vector<float> state0, state1;

  bool operator==(const TableData& other) const {
    return wide == other.wide && state0 == other.state0 && state1 == other.state1 &&
           narrow.size() == other.narrow.size() &&
           std::equal(narrow.begin(), narrow.end(), other.narrow.begin(),
                      [](Bfloat16 a, Bfloat16 b) { return a.bits == b.bits; });
  }
};

// A multiple of 1 / parts in [-1, 1].
std::vector<float> random_parts(size_t count, uint64_t seed, int parts) {
  std::mt19937_64 random(seed);
  std::vector<float> values(count);
  for (float& value : values) {
    value = static_cast<float>(static_cast<int>(random() % (2 * parts + 1)) - parts) / static_cast<float>(parts);
  }
  return values;
}

struct Model {
  Model(Plan of, SparseOptimizerKind kind, bool narrow, std::span<const uint64_t> limits) : plan(std::move(of)) {
    optimizer.kind = kind;
    for (size_t t = 0; t < plan.tables.size(); ++t) {
      const size_t rows = limits[t], dim = static_cast<size_t>(plan.tables[t].dim);
      TableData data;
      const std::vector<float> weights = random_floats(rows * dim, 50 + t);
      if (narrow) {
        data.narrow.resize(weights.size());
        to_bfloat16(weights, data.narrow);
      } else {
        data.wide = weights;
      }
      const size_t state = kind == SparseOptimizerKind::kSgd              ? 0
                           : kind == SparseOptimizerKind::kRowwiseAdagrad ? rows
                                                                          : rows * dim;
      data.state0.assign(state, 0.125f);
      if (kind == SparseOptimizerKind::kAdam) data.state1.assign(state, 0.25f);
      tables.push_back(std::move(data));
    }
  }

  // dL/d(pooled) of every input: strided, `shift` floats behind an aligned address.
  void set_gradients(size_t bags, uint64_t seed, int parts, size_t shift = 0) {
    pooled.clear();
    memory.clear();
    for (size_t i = 0; i < plan.id_inputs.size(); ++i) {
      const size_t dim = static_cast<size_t>(plan.tables[static_cast<size_t>(plan.id_inputs[i].table)].dim);
      const size_t stride = (dim + 3) / 4 * 4 + 4;
      memory.push_back(parts > 0 ? random_parts(bags * stride + 8, seed + i, parts)
                                 : random_floats(bags * stride + 8, seed + i, -1, 1));
      pooled.push_back({memory.back().data() + shift, stride});
    }
    for (size_t i = 0; i < pooled.size(); ++i) {
      bool trained = false;
      for (const PlanSparseGradient& gradient : plan.sparse_gradients) {
        trained = trained || static_cast<size_t>(gradient.id_input) == i;
      }
      if (!trained) pooled[i] = {};
    }
  }

  std::vector<cuda::DeviceTable> device_tables() {
    std::vector<cuda::DeviceTable> result;
    for (size_t t = 0; t < tables.size(); ++t) {
      TableData& data = tables[t];
      const bool narrow = !data.narrow.empty();
      result.push_back({narrow ? static_cast<void*>(data.narrow.data()) : data.wide.data(), narrow,
                        data.state0.empty() ? nullptr : data.state0.data(),
                        data.state1.empty() ? nullptr : data.state1.data(), plan.tables[t].rows, plan.tables[t].dim});
    }
    return result;
  }

  Result<cuda::SparseUpdate> device(size_t rows, size_t requests) {
    return cuda::SparseUpdate::create(plan, device_tables(), optimizer, pooled, rows, requests);
  }

  void update_on_cpu(SparseBatch& ids, uint64_t step) {
    const auto indexer = TableIndexer::create(plan, 1);
    ASSERT_TRUE(indexer.ok() && indexer.value()->index(ids.batch).ok());
    for (size_t t = 0; t < tables.size(); ++t) {
      const BatchTableIndex& index = ids.batch.table_index[t];
      cpu::update_sparse_rows(optimizer, step, kLr, kScale, view(t), tables[t].state0, tables[t].state1, index, 0,
                              index.rows.size(), pooled,
                              table_rounding(kSeed, step, rounding_stream(plan.tables[t].name)));
    }
  }

  double norm_on_cpu(SparseBatch& ids) {
    const auto indexer = TableIndexer::create(plan, 1);
    EXPECT_TRUE(indexer.ok() && indexer.value()->index(ids.batch).ok());
    double sum = 0;
    for (size_t t = 0; t < tables.size(); ++t) {
      const BatchTableIndex& index = ids.batch.table_index[t];
      sum += cpu::sparse_gradient_norm_sq(plan.tables[t].dim, index, 0, index.rows.size(), pooled);
    }
    return sum;
  }

  TableView view(size_t t) {
    TableData& data = tables[t];
    return {data.narrow.empty() ? data.wide.data() : nullptr, plan.tables[t].rows, plan.tables[t].dim,
            data.narrow.empty() ? nullptr : data.narrow.data()};
  }

  cuda::StepNumbers numbers(uint64_t step) const {
    return {.seed = kSeed,
            .step = step,
            .training = 1,
            .update = 1,
            .sparse = cpu::sparse_constants(optimizer, step, kLr, 1)};
  }

  static constexpr double kLr = 0.05, kScale = 0.5;
  static constexpr uint64_t kSeed = 77;
  Plan plan;
  SparseOptimizer optimizer;
  std::vector<TableData> tables;
  std::vector<std::vector<float>> memory;
  std::vector<cpu::PooledGradient> pooled;
};

void run_update(cuda::SparseUpdate& update, SparseBatch& ids, const cuda::StepNumbers& numbers,
                cuda::StepResult result = {.sparse_scale = static_cast<float>(Model::kScale)}) {
  auto stream = cuda::make_stream();
  ASSERT_TRUE(stream.ok());
  const Status indexed = update.index(stream.value().get(), ids.device, ids.counts, ids.rows, ids.requests);
  ASSERT_TRUE(indexed.ok()) << indexed.message();
  const Status enqueued = update.enqueue_update(stream.value().get(), {.numbers = &numbers, .result = &result});
  ASSERT_TRUE(enqueued.ok()) << enqueued.message();
  ASSERT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
}

double run_norm(cuda::SparseUpdate& update, SparseBatch& ids) {
  auto stream = cuda::make_stream();
  double norm = -1;
  EXPECT_TRUE(update.index(stream.value().get(), ids.device, ids.counts, ids.rows, ids.requests).ok());
  auto out = cuda::DeviceBuffer::allocate(sizeof(double), "a norm");
  EXPECT_TRUE(update.enqueue_norm(stream.value().get(), out.value().as<double>()).ok());
  EXPECT_EQ(cudaMemcpyAsync(&norm, out.value().as<double>(), sizeof norm, cudaMemcpyDeviceToHost, stream.value().get()),
            cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
  return norm;
}

// Tables of `dims`: the first shared by a single, a weighted mean and an untrained list, the second by two inputs of
// both domains, the third read by a list.
Plan shared_plan(std::array<int64_t, 3> dims) {
  return sparse_plan({{"a", 70, dims[0]}, {"b", 30, dims[1]}, {"c", 400, dims[2]}},
                     {{.table = 0},
                      {.table = 0, .multi = true, .pooling = Pooling::kMean, .weighted = true},
                      {.table = 0, .multi = true, .trained = false},
                      {.table = 1, .domain = Domain::kRequest},
                      {.table = 1},
                      {.table = 2, .multi = true}});
}
constexpr uint64_t kLimits[] = {70, 30, 400};

// Sums of these gradients are exact in any order, and without fused multiply-adds every operation is the CPU's.
TEST(CudaSparseUpdate, IsBitForBitTheCpus) {
  const cpu::Isa before = cpu::isa();
  ASSERT_TRUE(cpu::set_isa_for_test(cpu::Isa::kBaseline));
  for (const SparseOptimizerKind kind : kKinds) {
    for (const bool narrow : {false, true}) {
      // Not the row-wise sums of squares of what l2 makes of them.
      const double l2 = kind == SparseOptimizerKind::kRowwiseAdagrad ? 0 : 0.01;
      for (const std::array<int64_t, 3> dims : {std::array<int64_t, 3>{16, 3, 40}, {8, 128, 4}, {33, 1, 64}, {8, 200, 300}}) {
        SCOPED_TRACE("optimizer " + std::to_string(static_cast<int>(kind)) + ", narrow " + std::to_string(narrow) +
                     ", dim " + std::to_string(dims[0]));
        Model device(shared_plan(dims), kind, narrow, kLimits);
        device.optimizer.l2 = l2;
        device.set_gradients(400, 3, 8);
        Model cpu = device;
        cpu.set_gradients(400, 3, 8);
        auto update = device.device(400, 60);
        ASSERT_TRUE(update.ok()) << update.status().message();
        for (uint64_t step = 0; step < 3; ++step) {
          SparseBatch ids(device.plan, 400 - 100 * step, 60 - 10 * step, 10 + step, kLimits, 3);
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

TEST(CudaSparseUpdate, FollowsTheCpuAtEveryWidth) {
  for (const SparseOptimizerKind kind : kKinds) {
    for (const int64_t dim : {1, 6, 20, 100, 130, 150, 256, 300, 515, 1024}) {
      for (const size_t shift : {0, 1}) {
        SCOPED_TRACE("optimizer " + std::to_string(static_cast<int>(kind)) + ", dim " + std::to_string(dim));
        const Plan plan = sparse_plan({{"a", 12, dim}, {"b", 100, dim}},
                                      {{.table = 0}, {.table = 1, .multi = true, .weighted = true}});
        const uint64_t limits[] = {12, 100};
        Model device(plan, kind, false, limits);
        device.optimizer.l2 = 0.01;
        device.set_gradients(90, 4, 0, shift);
        Model cpu = device;
        cpu.set_gradients(90, 4, 0, shift);
        auto update = device.device(90, 0);
        ASSERT_TRUE(update.ok()) << update.status().message();
        SparseBatch ids(plan, 90, 0, 6, limits, 2);
        run_update(update.value(), ids, device.numbers(0));
        cpu.update_on_cpu(ids, 0);
        for (size_t t = 0; t < 2; ++t) {
          const std::vector<double> weights(cpu.tables[t].wide.begin(), cpu.tables[t].wide.end());
          const std::vector<double> state0(cpu.tables[t].state0.begin(), cpu.tables[t].state0.end());
          const std::vector<double> state1(cpu.tables[t].state1.begin(), cpu.tables[t].state1.end());
          expect_near(device.tables[t].wide, weights, 1e-5, "weights");
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
        Model device(plan, kind, true, kHotLimits);
        device.set_gradients(4000, 8, 2);
        Model cpu = device;
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
  std::vector<std::vector<TableData>> results;
  std::vector<double> norms;
  for (const size_t capacity : {350, 350, 5000}) {
    Model model(plan, SparseOptimizerKind::kRowwiseAdagrad, false, kLimits);
    model.set_gradients(350, 3, 0);
    auto update = model.device(capacity, capacity);
    ASSERT_TRUE(update.ok());
    SparseBatch ids(plan, 350, 50, 4, kLimits, 2);
    norms.push_back(run_norm(update.value(), ids));
    run_update(update.value(), ids, model.numbers(0));
    results.push_back(model.tables);
  }
  EXPECT_TRUE(results[0] == results[1] && results[0] == results[2]);
  EXPECT_EQ(norms[0], norms[1]);
  EXPECT_EQ(norms[0], norms[2]);
}

TEST(CudaSparseUpdate, NormIsTheCpus) {
  for (const SparseOptimizerKind kind : {SparseOptimizerKind::kSgd, SparseOptimizerKind::kRowwiseAdagrad}) {
    for (const std::array<int64_t, 3> dims : {std::array<int64_t, 3>{16, 3, 40}, {300, 150, 8}, {1, 1024, 64}}) {
      Model model(shared_plan(dims), kind, kind == SparseOptimizerKind::kSgd, kLimits);
      model.set_gradients(1500, 3, 0);
      auto update = model.device(1500, 60);
      ASSERT_TRUE(update.ok()) << update.status().message();
      const std::vector<TableData> before = model.tables;
      for (const size_t rows : {1500, 1, 0}) {
        SparseBatch ids(model.plan, rows, rows / 30, 4, kLimits, 2);
        const double want = model.norm_on_cpu(ids), got = run_norm(update.value(), ids);
        EXPECT_NEAR(got, want, 2e-6 * want) << rows << " rows, dim " << dims[0];
      }
      EXPECT_TRUE(model.tables == before);
    }
  }
}

TEST(CudaSparseUpdate, ChangesNothingWhenRefusedOrNotUpdating) {
  Model model(shared_plan({16, 3, 40}), SparseOptimizerKind::kAdam, false, kLimits);
  model.set_gradients(100, 3, 0);
  auto update = model.device(100, 20);
  ASSERT_TRUE(update.ok());
  const std::vector<TableData> before = model.tables;
  SparseBatch ids(model.plan, 100, 20, 4, kLimits, 2);
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
  Model model(plan, SparseOptimizerKind::kSgd, false, limits);
  model.optimizer.l2 = 1;
  model.set_gradients(30, 3, 0);
  model.pooled[1] = {};
  SparseBatch ids(plan, 30, 0, 1, limits);
  for (uint32_t& id : ids.ids[0]) id %= 20;
  const TableData before = model.tables[0];
  auto update = model.device(30, 0);
  ASSERT_TRUE(update.ok());
  run_update(update.value(), ids, model.numbers(0));
  EXPECT_FALSE(model.tables[0] == before);
  EXPECT_TRUE(std::equal(before.wide.begin() + 20 * 8, before.wide.end(), model.tables[0].wide.begin() + 20 * 8));

  model.pooled[0] = {};
  const TableData after = model.tables[0];
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
  Model device(plan, SparseOptimizerKind::kAdagrad, false, limits);
  device.set_gradients(200, 3, 8);
  Model cpu = device;
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
  Model graph(plan, SparseOptimizerKind::kRowwiseAdagrad, false, kLimits);
  graph.set_gradients(300, 3, 0);
  Model plain = graph;
  plain.set_gradients(300, 3, 0);
  auto captured = graph.device(300, 60), direct = plain.device(300, 60);
  ASSERT_TRUE(captured.ok() && direct.ok());
  auto stream = cuda::make_stream();
  const cudaStream_t s = stream.value().get();
  cuda::StepNumbers numbers = graph.numbers(0);
  cuda::StepResult result = {.sparse_scale = static_cast<float>(Model::kScale)};
  cuda::GraphExec executable;
  uint64_t generation = 0;
  for (uint64_t step = 0; step < 4; ++step) {
    SparseBatch ids(plan, 60 + 60 * step, 60, 20 + step, kLimits, 2);
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
    Model model(plan, SparseOptimizerKind::kSgd, false, limits);
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
    Model model(sparse_plan({{"a", 2, 1028}}, {{.table = 0, .trained = trained}}), SparseOptimizerKind::kSgd, false,
                limits);
    model.set_gradients(4, 1, 0);
    EXPECT_EQ(model.device(4, 0).status().code(), trained ? Code::kUnsupported : Code::kOk);
  }
}

}  // namespace
}  // namespace prerank::test
