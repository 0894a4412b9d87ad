// The transform phase on the device: the norm, clipping, and steps that are refused.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "cuda/transform.h"
#include "kernel_harness.h"

namespace prerank::test {
namespace {

const float kInfinity = std::numeric_limits<float>::infinity();

// A step's gradients and statistics. The emulated device reads and writes the host's memory.
struct TransformStep {
  std::vector<std::vector<float>> gradients;
  std::vector<TaskStats> stats = {{.loss = 2, .weight = 4, .count = 4}, {.loss = 1, .weight = 2, .count = 2}};
  double table_norm_sq = 0;
  double clip_norm = 0;
  ClipScope scope = ClipScope::kDense;
  cuda::StepResult result = {};

  explicit TransformStep(const std::vector<size_t>& sizes) {
    for (const size_t size : sizes) gradients.push_back(random_floats(size, gradients.size() + 1));
  }

  std::vector<cuda::DenseTarget> targets() const {
    std::vector<cuda::DenseTarget> all;
    for (const std::vector<float>& gradient : gradients) {
      all.push_back({.gradient = gradient.data(), .size = gradient.size()});
    }
    return all;
  }
  double dense_norm_sq() const {
    double sum = 0;
    for (const std::vector<float>& gradient : gradients) {
      for (const float g : gradient) sum += static_cast<double>(g) * static_cast<double>(g);
    }
    return sum;
  }

  void run(bool with_tables = true) {
    const auto stream = cuda::make_stream();
    ASSERT_TRUE(stream.ok());
    const auto transform = cuda::GradientTransform::create(targets(), stats.size(), clip_norm, scope);
    ASSERT_TRUE(transform.ok()) << transform.status().message();
    const Status enqueued = transform.value().enqueue(stream.value().get(), {.stats = stats.data(), .result = &result},
                                                      with_tables ? &table_norm_sq : nullptr);
    ASSERT_TRUE(enqueued.ok()) << enqueued.message();
    ASSERT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
  }

  void expect(double norm, double dense_scale, double sparse_scale) const {
    EXPECT_NEAR(result.norm, norm, 1e-12 * norm);
    EXPECT_FLOAT_EQ(result.dense_scale, static_cast<float>(dense_scale));
    EXPECT_FLOAT_EQ(result.sparse_scale, static_cast<float>(sparse_scale));
  }
};

// Around a float4 and around a chunk, and nothing at all.
const std::vector<size_t> kSizes = {1, 3, 0, 4, 4095, 4096, 4097, 20001, 7};

TEST(CudaTransform, NormWithoutClipping) {
  TransformStep step(kSizes);
  step.table_norm_sq = 100;  // does not count
  step.run();
  step.expect(std::sqrt(step.dense_norm_sq()), 1, 1);
  EXPECT_EQ(step.result.refused, 0u);
}

TEST(CudaTransform, ClippingScalesWhatIsInItsScope) {
  for (const ClipScope scope : {ClipScope::kDense, ClipScope::kAll}) {
    for (const double clip : {0.5, 1e6}) {
      TransformStep step(kSizes);
      step.table_norm_sq = 1234.5;
      step.clip_norm = clip;
      step.scope = scope;
      step.run();
      const bool all = scope == ClipScope::kAll;
      const double norm = std::sqrt(step.dense_norm_sq() + (all ? 1234.5 : 0));
      const double scale = std::min(1.0, clip / (norm + 1e-6));
      step.expect(norm, scale, all ? scale : 1);
      EXPECT_EQ(step.result.refused, 0u);
    }
  }
}

TEST(CudaTransform, ScopeAllWithoutTables) {
  TransformStep step({100});
  step.clip_norm = 0.1;
  step.scope = ClipScope::kAll;
  step.run(false);
  const double norm = std::sqrt(step.dense_norm_sq());
  step.expect(norm, 0.1 / (norm + 1e-6), 0.1 / (norm + 1e-6));
}

TEST(CudaTransform, NoParametersNoNorm) {
  TransformStep step({});
  step.clip_norm = 1;
  step.run(false);
  step.expect(0, 1, 1);
  EXPECT_EQ(step.result.refused, 0u);
}

TEST(CudaTransform, RefusesLossesThatAreNotFinite) {
  for (const size_t task : {0, 1}) {
    TransformStep sum({10}), row({10});
    sum.stats[task].loss = std::numeric_limits<double>::quiet_NaN();
    sum.run();
    EXPECT_EQ(sum.result.refused, cuda::kRefusedLoss);
    row.stats[task].nonfinite = 1;
    row.stats[task].first_row = 5;
    row.run();
    EXPECT_EQ(row.result.refused, cuda::kRefusedLoss);
  }
}

TEST(CudaTransform, RefusesGradientsThatAreNotFinite) {
  for (const float value : {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()}) {
    for (const double clip : {0.0, 1.0}) {
      TransformStep step({10, 5000});
      step.clip_norm = clip;
      step.gradients[1][4999] = value;
      step.run();
      EXPECT_EQ(step.result.refused, cuda::kRefusedNorm);
    }
  }
  TransformStep tables({10});
  tables.table_norm_sq = std::numeric_limits<double>::infinity();
  tables.clip_norm = 1;
  tables.run();
  EXPECT_EQ(tables.result.refused, 0u);  // the tables are not in scope
  tables.scope = ClipScope::kAll;
  tables.run();
  EXPECT_EQ(tables.result.refused, cuda::kRefusedNorm);
}

TEST(CudaTransform, LargeGradientsHaveAFiniteNorm) {
  TransformStep step({2});
  step.gradients[0] = {3e30f, 4e30f};
  step.run();
  EXPECT_NEAR(step.result.norm / 5e30, 1, 1e-6);
  EXPECT_EQ(step.result.refused, 0u);
}

TEST(CudaTransform, StaysRefusedUntilTheHostClearsIt) {
  TransformStep step({10});
  step.stats[0].loss = std::numeric_limits<double>::infinity();
  step.run();
  step.stats[0].loss = 1;
  step.run();
  EXPECT_EQ(step.result.refused, cuda::kRefusedLoss);
  step.gradients[0][0] = kInfinity;
  step.run();
  EXPECT_EQ(step.result.refused, cuda::kRefusedLoss | cuda::kRefusedNorm);
  step.gradients[0][0] = 1;
  step.result.refused = 0;
  step.run();
  EXPECT_EQ(step.result.refused, 0u);
}

TEST(CudaTransform, TheSameBitsInEveryOrderOfThreads) {
  TransformStep first(kSizes), second(kSizes);
  first.clip_norm = second.clip_norm = 0.1;
  first.run();
  for (int repeat = 0; repeat < 3; ++repeat) {
    TransformStep({}).run();  // one launch: the emulated device turns the order of threads from launch to launch
    second.run();
    EXPECT_EQ(std::memcmp(&first.result.norm, &second.result.norm, sizeof(double)), 0);
    EXPECT_EQ(std::memcmp(&first.result.dense_scale, &second.result.dense_scale, sizeof(float)), 0);
  }
}

}  // namespace
}  // namespace prerank::test
