// The device's update of dense parameters, against cpu::update_dense.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "cpu/optimizers.h"
#include "cuda/dense_update.h"
#include "cuda/transform.h"
#include "kernel_harness.h"

namespace prerank::test {
namespace {

// The emulated device reads and writes the host's memory.
struct DenseParameters {
  struct Parameter {
    std::vector<float> weights, gradient, state0, state1;
    size_t skip = 0;  // floats before the first: of no alignment

    std::span<float> of(std::vector<float>& floats) const { return std::span(floats).subspan(skip); }
  };

  explicit DenseParameters(const std::vector<size_t>& sizes) {
    for (const size_t size : sizes) {
      const size_t skip = parameters.size() % 3, floats = skip + size;
      const uint64_t seed = 10 * parameters.size();
      parameters.push_back({random_floats(floats, seed + 1), random_floats(floats, seed + 2),
                            random_floats(floats, seed + 3, 0, 1), random_floats(floats, seed + 4, 0, 1), skip});
    }
  }

  std::vector<cuda::DenseTarget> targets() {
    std::vector<cuda::DenseTarget> all;
    for (Parameter& p : parameters) {
      all.push_back({p.of(p.weights).data(), p.of(p.gradient).data(), p.of(p.state0).data(), p.of(p.state1).data(),
                     p.weights.size() - p.skip});
    }
    return all;
  }

  std::vector<Parameter> parameters;
};

struct NamedOptimizer {
  const char* name;
  DenseOptimizer optimizer;
};
const NamedOptimizer kOptimizers[] = {
    {"sgd", {.kind = DenseOptimizerKind::kSgd, .l2 = 0.01}},
    {"momentum", {.kind = DenseOptimizerKind::kSgd, .momentum = 0.9}},
    {"adagrad", {.kind = DenseOptimizerKind::kAdagrad, .l2 = 0.02}},
    {"adam", {.kind = DenseOptimizerKind::kAdam, .l2 = 0.01}},
    {"adamw", {.kind = DenseOptimizerKind::kAdamW, .l2 = 0.5, .weight_decay = 0.1}},
};

void enqueue_and_wait(const cuda::DenseUpdate& update, const cuda::DeviceStep& step) {
  const auto stream = cuda::make_stream();
  ASSERT_TRUE(stream.ok());
  const Status enqueued = update.enqueue(stream.value().get(), step);
  ASSERT_TRUE(enqueued.ok()) << enqueued.message();
  ASSERT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
}

void expect_same(const std::vector<float>& got, const std::vector<float>& want, double tolerance,
                 const std::string& what) {
  expect_near(got, std::vector<double>(want.begin(), want.end()), tolerance, what);
}

TEST(CudaDenseUpdate, EveryOptimizerAsOnTheCpu) {
  // Around a float4 and around a chunk, and nothing at all.
  const std::vector<size_t> sizes = {1, 3, 4, 0, 7, 1000, 4095, 4096, 4097, 12289, 5};
  for (const NamedOptimizer& named : kOptimizers) {
    for (const double scale : {1.0, 0.3}) {
      DenseParameters got(sizes), want(sizes);
      const auto update = cuda::DenseUpdate::create(named.optimizer, got.targets());
      ASSERT_TRUE(update.ok()) << update.status().message();
      for (uint64_t step = 0; step < 3; ++step) {
        const double lr = 0.01 * static_cast<double>(step + 1);
        const cuda::StepNumbers numbers = {
            .step = step, .update = 1, .dense = cpu::dense_constants(named.optimizer, step, lr, 1)};
        cuda::StepResult result = {.dense_scale = static_cast<float>(scale)};
        enqueue_and_wait(update.value(), {.numbers = &numbers, .result = &result});
        for (auto& p : want.parameters) {
          cpu::update_dense(named.optimizer, step, lr, scale, p.of(p.weights), p.of(p.gradient), p.of(p.state0),
                            p.of(p.state1));
        }
      }
      for (size_t i = 0; i < sizes.size(); ++i) {
        const auto &a = got.parameters[i], &b = want.parameters[i];
        const std::string what = std::string(named.name) + ", parameter " + std::to_string(i);
        expect_same(a.weights, b.weights, 1e-6, what);
        expect_same(a.state0, b.state0, 1e-6, what + ", state 0");
        expect_same(a.state1, b.state1, 1e-6, what + ", state 1");
        EXPECT_EQ(a.gradient, b.gradient);
      }
    }
  }
}

TEST(CudaDenseUpdate, ChangesNothingWhenRefusedOrNotAsked) {
  for (const bool refused : {false, true}) {
    DenseParameters parameters({10, 5000});
    const DenseParameters before = parameters;
    const DenseOptimizer optimizer;
    const auto update = cuda::DenseUpdate::create(optimizer, parameters.targets());
    ASSERT_TRUE(update.ok());
    const cuda::StepNumbers numbers = {.update = refused ? 1u : 0u,
                                       .dense = cpu::dense_constants(optimizer, 0, 0.1, 1)};
    cuda::StepResult result = {.refused = refused ? 2u : 0u};
    enqueue_and_wait(update.value(), {.numbers = &numbers, .result = &result});
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(parameters.parameters[i].weights, before.parameters[i].weights);
      EXPECT_EQ(parameters.parameters[i].state0, before.parameters[i].state0);
      EXPECT_EQ(parameters.parameters[i].state1, before.parameters[i].state1);
    }
  }
}

// As a program runs it: transform and update captured once, then launched with what each step leaves in memory.
TEST(CudaDenseUpdate, CapturedWithTheTransformFollowsTheNumbersOfEachStep) {
  DenseParameters got({10, 5000}), want({10, 5000});
  const DenseOptimizer optimizer;
  std::vector<TaskStats> stats(1);
  cuda::StepNumbers numbers;
  cuda::StepResult result;
  const cuda::DeviceStep step = {.numbers = &numbers, .stats = stats.data(), .result = &result};
  constexpr double kClip = 0.5;
  const auto transform = cuda::GradientTransform::create(got.targets(), 1, kClip, ClipScope::kDense);
  const auto update = cuda::DenseUpdate::create(optimizer, got.targets());
  ASSERT_TRUE(transform.ok() && update.ok());
  const auto stream = cuda::make_stream();
  ASSERT_TRUE(stream.ok());
  const cudaStream_t handle = stream.value().get();
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(handle, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  ASSERT_TRUE(transform.value().enqueue(handle, step, nullptr).ok());
  ASSERT_TRUE(update.value().enqueue(handle, step).ok());
  ASSERT_EQ(cudaStreamEndCapture(handle, &graph), cudaSuccess);
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph), cudaSuccess);
  const cuda::GraphExec owned(executable);
  ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);

  const auto run = [&](uint64_t number, uint32_t updates) {
    numbers = {.step = number, .update = updates, .dense = cpu::dense_constants(optimizer, number, 0.1, 1)};
    ASSERT_EQ(cudaGraphLaunch(executable, handle), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(handle), cudaSuccess);
  };
  const auto expect_weights = [&] {
    for (size_t i = 0; i < 2; ++i) expect_same(got.parameters[i].weights, want.parameters[i].weights, 1e-6, "weights");
  };
  run(0, 0);
  expect_weights();
  for (const uint64_t number : {0, 1}) {
    run(number, 1);
    const double scale = kClip / (result.norm + 1e-6);
    for (auto& p : want.parameters) {
      cpu::update_dense(optimizer, number, 0.1, scale, p.of(p.weights), p.of(p.gradient), p.of(p.state0),
                        p.of(p.state1));
    }
    expect_weights();
  }
  stats[0].nonfinite = 1;
  run(2, 1);
  stats[0].nonfinite = 0;
  run(3, 1);  // was in flight when the host learnt of step 2
  EXPECT_EQ(result.refused, cuda::kRefusedLoss);
  expect_weights();
}

TEST(CudaDenseUpdate, NothingToUpdateLaunchesNothing) {
  const auto update = cuda::DenseUpdate::create({}, {});
  ASSERT_TRUE(update.ok());
  enqueue_and_wait(update.value(), {});
}

TEST(CudaDenseUpdate, RefusesAParameterWithoutItsState) {
  DenseParameters parameters({8, 8});
  std::vector<cuda::DenseTarget> targets = parameters.targets();
  targets[1].state1 = nullptr;
  EXPECT_TRUE(cuda::DenseUpdate::create({.kind = DenseOptimizerKind::kAdagrad}, targets).ok());
  const auto update = cuda::DenseUpdate::create({.kind = DenseOptimizerKind::kAdam}, targets);
  ASSERT_FALSE(update.ok());
  EXPECT_EQ(update.status().code(), Code::kInvalidArgument);
  EXPECT_NE(update.status().message().find("dense parameter 1"), std::string::npos);
}

}  // namespace
}  // namespace prerank::test
