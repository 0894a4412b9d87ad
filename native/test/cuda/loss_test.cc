// What the fused loss on the device does beyond one tile: many rows, many logits, factors of tasks, running statistics.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "cuda/device.h"
#include "cuda/kernel.h"
#include "kernel_harness.h"

namespace prerank::test {
namespace {

// `logits` logits of width 1 and tasks on some of them, over one batch. The emulated device reads and writes the host's
// memory.
struct DeviceLosses {
  size_t rows, logits;
  std::vector<std::vector<float>> x, dx, targets;
  std::vector<float> weights;
  std::vector<uint32_t> mask;
  std::vector<double> inv_n, task_scale;
  std::vector<TaskStats> stats;
  Plan plan;
  PlanOp op;

  DeviceLosses(size_t of_rows, size_t of_logits, const std::vector<int32_t>& logit_of_task)
      : rows(of_rows), logits(of_logits), weights(random_floats(of_rows, 1, 0, 2)) {
    op.kind = "loss";
    op.layer = "loss";
    for (size_t l = 0; l < 2 * logits; ++l) {
      PlanValue value;
      value.name = "value" + std::to_string(l);
      value.shape = {1};
      value.width = value.stride = 1;
      value.root = static_cast<int32_t>(l);
      plan.values.push_back(value);
      (l < logits ? op.inputs : op.outputs).push_back(static_cast<int32_t>(l));
      if (l >= logits) continue;
      x.push_back(random_floats(rows, 10 + l));
      dx.emplace_back(rows, NAN);
    }
    for (size_t k = 0; k < logit_of_task.size(); ++k) {
      plan.tasks.push_back({"task", k % 2 == 0 ? LossKind::kBce : LossKind::kMse, 1.0 + 0.1 * static_cast<double>(k), 1,
                            logit_of_task[k]});
      targets.push_back(random_floats(rows, 1000 + k, 0, 1));
      inv_n.push_back(1.0 / static_cast<double>(rows + k));
    }
    stats.resize(logit_of_task.size());
    for (size_t r = 0; r < rows; ++r) mask.push_back(static_cast<uint32_t>(r * 2654435761u) | 1u << r % 32);
  }

  void run() {
    cuda::DeviceBuild build;
    build.plan = &plan;
    build.op = &op;
    build.rows = rows;
    const auto kernel = cuda::make_cuda_kernel(build);
    ASSERT_TRUE(kernel.ok()) << kernel.status().message();
    const auto stream = cuda::make_stream();
    ASSERT_TRUE(stream.ok());
    std::vector<float*> base;
    for (std::vector<float>& values : x) base.push_back(values.data());
    for (std::vector<float>& values : dx) base.push_back(values.data());
    std::vector<const float*> target_of;
    for (const std::vector<float>& values : targets) target_of.push_back(values.data());
    const float* const weight = weights.empty() ? nullptr : weights.data();
    cuda::DeviceContext context;
    context.rows = context.batch_rows = rows;
    context.base = base;
    context.stream = stream.value().get();
    context.input.task_mask = mask.data();
    context.input.targets = target_of.data();
    context.input.inv_n = inv_n.data();
    context.input.weight = &weight;
    context.device.stats = stats.data();
    context.device.task_scale = task_scale.empty() ? nullptr : task_scale.data();
    const Status enqueued = kernel.value()->enqueue(context);
    ASSERT_TRUE(enqueued.ok()) << enqueued.message();
    ASSERT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
  }

  void check() const {
    std::vector<std::vector<double>> gradient(logits, std::vector<double>(rows));
    for (size_t k = 0; k < plan.tasks.size(); ++k) {
      const auto logit = static_cast<size_t>(plan.tasks[k].logits);
      TaskStats want;
      for (size_t r = 0; r < rows; ++r) {
        if ((mask[r] >> k & 1u) == 0) continue;
        const double w = weights.empty() ? 1 : static_cast<double>(weights[r]);
        const double a = static_cast<double>(x[logit][r]), y = static_cast<double>(targets[k][r]);
        const double p = k % 2 == 0 ? 1 / (1 + std::exp(-a)) : a;
        const double factor = task_scale.empty() ? 1 : task_scale[k];
        gradient[logit][r] += plan.tasks[k].weight * factor * inv_n[k] * w * (k % 2 == 0 ? p - y : 2 * (a - y));
        want.loss += w * (k % 2 == 0 ? std::log1p(std::exp(a)) - y * a : (a - y) * (a - y));
        want.weight += w;
        want.count += 1;
        want.prediction += w * p;
        want.target += w * y;
        want.target_sq += w * y * y;
      }
      const TaskStats& got = stats[k];
      const auto near = [&](double a, double b, const char* what) {
        EXPECT_NEAR(a, b, 1e-6 * (1 + std::abs(b))) << what << " of task " << k;
      };
      near(got.loss, want.loss, "loss");
      near(got.weight, want.weight, "weight");
      near(got.prediction, want.prediction, "prediction");
      near(got.target, want.target, "target");
      near(got.target_sq, want.target_sq, "target_sq");
      EXPECT_EQ(got.count, want.count);
      EXPECT_EQ(got.nonfinite, 0);
      EXPECT_EQ(got.first_row, -1);
    }
    for (size_t l = 0; l < logits; ++l) expect_near(dx[l], gradient[l], 1e-6, "logit " + std::to_string(l));
  }
};

TEST(CudaLoss, MoreRowsThanOnePassOfTheGrid) {
  DeviceLosses losses(512 * 256 + 300, 1, {0, 0});
  losses.run();
  losses.check();
}

TEST(CudaLoss, MoreLogitsThanOneLaunchAndAllTasksOfTheMask) {
  std::vector<int32_t> logit_of_task;
  for (int32_t k = 0; k < 32; ++k) logit_of_task.push_back(k * 11 % 70);  // some logits have several, many none
  DeviceLosses losses(300, 70, logit_of_task);
  losses.run();
  losses.check();
}

TEST(CudaLoss, FactorsOfTasksScaleGradientsOnly) {
  DeviceLosses losses(257, 2, {0, 1, 1});
  losses.task_scale = {0.5, 2, 0};
  losses.run();
  losses.check();
}

TEST(CudaLoss, WithoutWeightsAndWithoutTasks) {
  DeviceLosses unweighted(31, 1, {0});
  unweighted.weights.clear();
  unweighted.run();
  unweighted.check();
  DeviceLosses untrained(31, 2, {});
  untrained.run();
  untrained.check();
}

TEST(CudaLoss, AddsToStatisticsAndKeepsTheSmallestRow) {
  DeviceLosses losses(1000, 1, {0});
  std::fill(losses.mask.begin(), losses.mask.end(), 1u);
  for (const size_t row : {900, 400, 700}) losses.x[0][row] = NAN;
  losses.stats[0] = {.loss = 100, .weight = 10, .count = 5, .nonfinite = 1, .first_row = 600};
  losses.run();
  EXPECT_EQ(losses.stats[0].count, 1005);
  EXPECT_EQ(losses.stats[0].nonfinite, 4);
  EXPECT_EQ(losses.stats[0].first_row, 400);
  EXPECT_GT(losses.stats[0].loss, 100);
  EXPECT_GT(losses.stats[0].weight, 10);
  losses.stats[0].first_row = 2;
  losses.run();
  EXPECT_EQ(losses.stats[0].first_row, 2);
}

TEST(CudaLoss, TheSameBitsInEveryOrderOfThreads) {
  DeviceLosses first(70000, 1, {0}), second(70000, 1, {0});
  first.run();
  DeviceLosses(1, 1, {}).run();  // one launch: the emulated device turns the order of threads from launch to launch
  second.run();
  EXPECT_EQ(std::memcmp(&first.stats[0], &second.stats[0], sizeof(TaskStats)), 0);
  EXPECT_EQ(first.dx, second.dx);
}

TEST(CudaLoss, NoRowsNothingChanges) {
  DeviceLosses losses(0, 1, {0});
  losses.run();
  losses.check();
}

}  // namespace
}  // namespace prerank::test
