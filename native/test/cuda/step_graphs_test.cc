// Which steps are captured, and whole steps of batches of many sizes: few graphs, and nothing but the speed depends on
// them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cuda/launch.h"
#include "cuda/padded_size.h"
#include "cuda/program.h"
#include "cuda/step_graphs.h"
#include "cuda/upload.h"
#include "emulator.h"
#include "program_fixture.h"

namespace prerank::test {
namespace {

using cuda::BatchSize;
using prerank::testing::kDim;
using prerank::testing::kTableRows;
using prerank::testing::kWidth;
using prerank::testing::linear_plan;
using prerank::testing::LinearBatch;

TEST(CudaPaddedSize, IsOneOfFewAndAddsLessThanAnEighth) {
  for (const size_t capacity : {1, 2, 7, 33, 100, 1000, 4096, 65536}) {
    std::set<size_t> sizes, upper;
    for (size_t count = 1; count <= capacity; ++count) {
      const BatchSize padded = cuda::padded_size({count, count}, {capacity, capacity, true});
      ASSERT_GE(padded.rows, count);
      ASSERT_LE(padded.rows, capacity);
      ASSERT_LT(padded.rows - count, std::max<size_t>(1, (count + 7) / 8));
      ASSERT_EQ(padded.requests, padded.rows) << "as many requests, with the same capacity";
      sizes.insert(padded.rows);
      if (2 * count > capacity) upper.insert(padded.rows);
      ASSERT_EQ(cuda::padded_size(padded, {capacity, capacity, true}), padded);
    }
    EXPECT_LE(upper.size(), 17u) << capacity;
    if (capacity >= 4096) {
      EXPECT_LE(upper.size(), 8u);
      EXPECT_LE(sizes.size(), 113u);
    }
  }
  EXPECT_EQ(cuda::padded_size({0, 0}, {100, 100, true}), (BatchSize{0, 0}));
  EXPECT_EQ(cuda::padded_size({0, 3}, {100, 100, true}), (BatchSize{0, 3}));
}

TEST(CudaPaddedSize, GivesFewRequestsOfManyRowsOneSize) {
  std::set<size_t> sizes;
  for (size_t requests = 70; requests <= 120; ++requests) {
    sizes.insert(cuda::padded_size({4000, requests}, {4096, 4096, true}).requests);
  }
  EXPECT_EQ(sizes, std::set<size_t>{128});
  EXPECT_EQ(cuda::padded_size({4000, 90}, {4096, 100, true}).requests, 100u) << "within the capacity";
}

__global__ void count_step(uint64_t* steps) { *steps += 1; }

class CudaStepGraphs : public ::testing::Test {
 protected:
  void SetUp() override {
    auto stream = cuda::make_stream();
    auto steps = cuda::upload_array(std::span<const uint64_t>(&zero_, 1), "steps");
    ASSERT_TRUE(stream.ok() && steps.ok());
    stream_ = std::move(stream).value();
    steps_ = std::move(steps).value();
  }

  // Whether the step of this size was launched operation by operation, captured, or replayed.
  std::string run(size_t rows, uint64_t generation = 0) {
    bool enqueued = false;
    const emulator::GraphCounts before = emulator::graph_counts();
    const Status status = graphs_.run({rows, 0}, generation, stream_.get(), [&] {
      enqueued = true;
      return cuda::launch(stream_.get(), 1, 1, count_step, steps_.as<uint64_t>());
    });
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(cudaStreamSynchronize(stream_.get()), cudaSuccess);
    EXPECT_EQ(*steps_.as<uint64_t>(), ++ran_) << "every step runs once";
    const emulator::GraphCounts after = emulator::graph_counts();
    EXPECT_EQ(after.captured - before.captured, after.launched > before.launched && enqueued ? 1u : 0u);
    if (after.launched == before.launched) return "launched";
    return enqueued ? "captured" : "replayed";
  }

 private:
  static constexpr uint64_t zero_ = 0;
  cuda::StepGraphs graphs_;
  cuda::Stream stream_;
  cuda::DeviceBuffer steps_;
  uint64_t ran_ = 0;
};

TEST_F(CudaStepGraphs, CapturesASizeWhenItComesAgain) {
  EXPECT_EQ(run(8), "launched");
  EXPECT_EQ(run(7), "launched");
  EXPECT_EQ(run(8), "captured");
  EXPECT_EQ(run(7), "captured");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(run(7), "replayed");
    EXPECT_EQ(run(8), "replayed");
  }
}

TEST_F(CudaStepGraphs, CapturesAgainWhatUsedOtherMemory) {
  run(8);
  run(8);
  EXPECT_EQ(run(8), "replayed");
  EXPECT_EQ(run(8, 1), "captured");
  EXPECT_EQ(run(8, 1), "replayed");
}

TEST_F(CudaStepGraphs, KeepsTheSixteenSizesThatWereUsedLast) {
  for (int i = 0; i < 2; ++i) {
    for (size_t rows = 1; rows <= 16; ++rows) run(rows);
  }
  EXPECT_EQ(run(1), "replayed");
  EXPECT_EQ(run(17), "launched");
  EXPECT_EQ(run(1), "replayed");
  EXPECT_EQ(run(2), "launched") << "it had not been used for longest";
}

// A store and a program on the emulated device for batches of up to 200 rows.
struct DeviceSide {
  std::shared_ptr<ParameterStore> store;
  std::unique_ptr<Program> program;
};

DeviceSide device_side(const ProgramOptions& given = {}) {
  setenv("PRERANK_CUBLASLT", PRERANK_EMULATED_LIBRARY, 1);
  ParameterStore::Options options = prerank::testing::linear_store(DenseOptimizerKind::kAdam)->options();
  options.parameters = {{"top.weight", {1, kWidth}, {InitKind::kUniform, 0.5}, false},
                        {"top.bias", {1}, {InitKind::kConstant, 0.1}, false},
                        {"embeddings.ad", {kTableRows, kDim}, {InitKind::kUniform, 0.5}, true}};
  options.device.cuda = 0;
  DeviceSide side;
  auto store = ParameterStore::create(options);
  EXPECT_TRUE(store.ok());
  side.store = std::move(store).value();
  ProgramOptions program = given;
  program.capacity = 200;
  auto created = cuda::create_program(linear_plan(16), side.store, program);
  EXPECT_TRUE(created.ok()) << created.status().message();
  if (created.ok()) side.program = std::move(created).value();
  return side;
}

const std::vector<std::string> kTensors = {"top.weight", "top.bias", "embeddings.ad"};

void expect_same_bytes(const ParameterStore& a, const ParameterStore& b) {
  for (const std::string& name : kTensors) EXPECT_EQ(a.read(name).value(), b.read(name).value()) << name;
}

// As batches of whole requests are: nearly full, nearly every one of another size, with an end of an epoch now and then.
size_t ragged_rows(uint64_t step) { return step % 20 == 19 ? 7 + step % 3 : 176 + step * 7 % 25; }

TEST(CudaRaggedBatches, ReplayFewGraphs) {
  const DeviceSide side = device_side();
  ASSERT_NE(side.program, nullptr);
  constexpr uint64_t kSteps = 100;
  std::set<size_t> rows;
  const emulator::GraphCounts before = emulator::graph_counts();
  for (uint64_t step = 0; step < kSteps; ++step) {
    const LinearBatch batch(ragged_rows(step), step);
    rows.insert(batch.batch.rows);
    ASSERT_TRUE(side.program->step(batch.batch, {step, 0.01, 0.1, true}).ok());
  }
  const emulator::GraphCounts after = emulator::graph_counts();
  EXPECT_GT(rows.size(), 20u);
  // Three nearly full sizes and a few small ones in each of two slots; lists that need more memory have some made again.
  EXPECT_LE(after.captured - before.captured, 16u);
  EXPECT_GE(after.launched - before.launched, 85u);
}

TEST(CudaRaggedBatches, GiveTheCpusNumbersAndTheSameBytesWithoutGraphs) {
  ProgramOptions without;
  without.profile = true;
  const DeviceSide graphs = device_side(), plain = device_side(without);
  const auto store = prerank::testing::linear_store(DenseOptimizerKind::kAdam);
  const auto cpu = prerank::testing::make_program(linear_plan(16), store, 1, 200);
  ASSERT_TRUE(graphs.program != nullptr && plain.program != nullptr && cpu != nullptr);
  for (uint64_t step = 0; step < 60; ++step) {
    const size_t rows = step == 11 ? 0 : step == 12 || step == 50 ? 1 : ragged_rows(step);
    SCOPED_TRACE("step " + std::to_string(step) + ", " + std::to_string(rows) + " rows");
    const LinearBatch batch(rows, step);
    const StepOptions options = {step, 0.01, 0.1, true};
    for (Program* const program : {graphs.program.get(), plain.program.get(), cpu.get()}) {
      ASSERT_TRUE(program->step(batch.batch, options).ok());
    }
    const TaskStats &got = graphs.program->stats()[0], &expected = cpu->stats()[0];
    EXPECT_EQ(got.count, expected.count);
    EXPECT_NEAR(got.loss, expected.loss, 1e-5 * std::max(1.0, std::abs(expected.loss)));
    EXPECT_NEAR(got.prediction, expected.prediction, 1e-5 * std::max(1.0, std::abs(expected.prediction)));
    std::vector<float> logits(rows), cpu_logits(rows);
    ASSERT_TRUE(graphs.program->read_output(0, logits).ok() && cpu->read_output(0, cpu_logits).ok());
    for (size_t r = 0; r < rows; ++r) ASSERT_NEAR(logits[r], cpu_logits[r], 1e-4) << r;
  }
  expect_same_bytes(*graphs.store, *plain.store);
  for (size_t p = 0; p < kTensors.size(); ++p) {
    const std::vector<float> got = graphs.store->read(kTensors[p]).value();
    for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], store->weights(p)[i], 1e-4) << kTensors[p];
  }
}

// Whole batches of NaN, which are refused, leave NaN in every row of memory that a smaller batch does not overwrite.
TEST(CudaRaggedBatches, ReadNothingThatEarlierBatchesLeftBehindTheirRows) {
  const DeviceSide spoilt = device_side(), fresh = device_side();
  ASSERT_TRUE(spoilt.program != nullptr && fresh.program != nullptr);
  LinearBatch nan(200, 5);
  for (std::vector<float>* const values : {&nan.x, &nan.target, &nan.weight}) {
    std::ranges::fill(*values, std::numeric_limits<float>::quiet_NaN());
  }
  std::ranges::fill(nan.mask, 0xffffffffu);
  for (uint64_t step = 0; step < 12; ++step) {
    for (int slot = 0; slot < 2; ++slot) {
      EXPECT_EQ(spoilt.program->step(nan.batch, {step, 0.01, 0.1, true}).code(), Code::kNonFinite);
    }
    const LinearBatch batch(170 + step, step);
    for (const DeviceSide* const side : {&spoilt, &fresh}) {
      ASSERT_TRUE(side->program->step(batch.batch, {step, 0.01, 0.1, true}).ok());
    }
    EXPECT_EQ(spoilt.program->stats()[0].loss, fresh.program->stats()[0].loss);
  }
  expect_same_bytes(*spoilt.store, *fresh.store);
}

}  // namespace
}  // namespace prerank::test
