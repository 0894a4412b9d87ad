// The fused loss of all tasks: gradients of the logits and each task's sums, in one pass over the tile.
// Per task k and row of its mask, with weight w: dLogit += lambda_k * scale_k * inv_n_k * w * dloss/dlogit.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "cpu/loss_tasks.h"
#include "cpu/operands.h"
#include "cpu/ops.h"

namespace prerank::cpu {
namespace {

constexpr size_t kBlock = 64;  // rows handled at once
using Block = std::array<float, kBlock>;

struct Pointwise {
  double loss, grad;
};

// Loss and its derivative by the prediction.
Pointwise pointwise(LossKind kind, double delta, double prediction, double target) {
  const double r = prediction - target;
  switch (kind) {
    case LossKind::kBce:  // has its own function
    case LossKind::kMse:
      break;
    case LossKind::kMean:
      return {prediction, 1};
    case LossKind::kHuber: {
      const double size = std::abs(r);
      if (size <= delta) return {0.5 * r * r, r};
      return {delta * (size - 0.5 * delta), std::copysign(delta, r)};
    }
    case LossKind::kPseudoHuber: {
      const double q = r / delta;
      const double root = std::sqrt(1 + q * q);
      return {r * r / (root + 1), r / root};
    }
    case LossKind::kLogCosh: {
      const double size = std::abs(r / delta);
      const double s = std::expm1(std::min(size, 40.0));  // beyond, 1 + exp(-2 size) is 1
      const double loss = size < 40 ? std::log1p(s * s / (2 * (s + 1))) : size - std::numbers::ln2;
      return {loss, std::tanh(r / delta) / delta};
    }
  }
  return {r * r, 2 * r};
}

class LossKernel final : public Kernel {
 public:
  explicit LossKernel(std::vector<TrainedLogit> logits) : logits_(std::move(logits)), bce_(simd().bce) {}

  void run(const TileContext& context) const override {
    for (const TrainedLogit& logit : logits_) {
      for (size_t first = 0; first < context.rows; first += kBlock) {
        run_block(context, logit, first, std::min(kBlock, context.rows - first));
      }
    }
  }

 private:
  void run_block(const TileContext& context, const TrainedLogit& logit, size_t first, size_t rows) const {
    Block logits, gradient = {};
    const float* x = logit.x.at(context) + first * logit.x.stride;
    for (size_t r = 0; r < rows; ++r) logits[r] = x[r * logit.x.stride];
    for (const LossTask& task : logit.tasks) add_task(context, task, context.first_row + first, rows, logits, gradient);
    float* dx = logit.dx.at(context) + first * logit.dx.stride;
    for (size_t r = 0; r < rows; ++r) dx[r * logit.dx.stride] = gradient[r];
  }

  void add_task(const TileContext& context, const LossTask& task, size_t first, size_t rows, const Block& logits,
                Block& gradient) const {
    const Batch& batch = *context.batch;
    const uint32_t* mask = batch.task_mask.data() + first;
    const float* target = batch.targets[task.index] + first;
    const auto active = [&](size_t r) { return (mask[r] >> task.index & 1u) != 0; };

    // Rows outside the mask may hold anything: both sides are replaced by 0 there.
    Block a, y, loss, grad, prediction;
    for (size_t r = 0; r < rows; ++r) {
      a[r] = active(r) ? logits[r] : 0.0f;
      y[r] = active(r) ? target[r] : 0.0f;
    }
    if (task.kind == LossKind::kBce) {
      bce_(rows, a.data(), y.data(), loss.data(), grad.data(), prediction.data());
    } else {
      for (size_t r = 0; r < rows; ++r) {
        const Pointwise p = pointwise(task.kind, task.delta, static_cast<double>(a[r]), static_cast<double>(y[r]));
        loss[r] = static_cast<float>(p.loss);
        grad[r] = static_cast<float>(p.grad);
        prediction[r] = a[r];
      }
    }

    const double factor = context.task_scale.empty() ? 1.0 : context.task_scale[task.index];
    const double scale = task.lambda * factor * batch.inv_n[task.index];
    TaskStats& stats = context.stats[task.index];
    for (size_t r = 0; r < rows; ++r) {
      if (!active(r)) continue;
      stats.count += 1;
      const double w = batch.weight == nullptr ? 1.0 : static_cast<double>(batch.weight[first + r]);
      const double weighted_loss = w * static_cast<double>(loss[r]);
      const float g = static_cast<float>(scale * w * static_cast<double>(grad[r]));
      if (!std::isfinite(weighted_loss) || !std::isfinite(g)) {
        stats.nonfinite += 1;
        const double row = static_cast<double>(first + r);
        if (stats.first_row < 0 || row < stats.first_row) stats.first_row = row;
        continue;
      }
      gradient[r] += g;
      const double label = static_cast<double>(y[r]);
      stats.loss += weighted_loss;
      stats.weight += w;
      stats.prediction += w * static_cast<double>(prediction[r]);
      stats.target += w * label;
      stats.target_sq += w * label * label;
    }
  }

  std::vector<TrainedLogit> logits_;
  void (*bce_)(size_t, const float*, const float*, float*, float*, float*);
};

}  // namespace

Result<std::vector<TrainedLogit>> trained_logits(const KernelBuild& build) {
  const size_t count = build.op->inputs.size();
  PRERANK_RETURN_IF_ERROR(check_arity(build, count, count));
  if (build.segment_domain != Domain::kRow) return invalid(build, "belongs in a row segment");
  if (build.plan->tasks.size() > kMaxTasks) return invalid(build, "at most 32 tasks have a bit in the mask");
  std::vector<TrainedLogit> logits(count);
  for (size_t i = 0; i < count; ++i) {
    PRERANK_ASSIGN_OR_RETURN(logits[i].x, row_input_view(build, i));
    PRERANK_ASSIGN_OR_RETURN(logits[i].dx, output_view(build, i));
    PRERANK_RETURN_IF_ERROR(check_width(build, "logits", logits[i].x.width, 1));
    PRERANK_RETURN_IF_ERROR(check_width(build, "dLogits", logits[i].dx.width, 1));
  }
  for (size_t k = 0; k < build.plan->tasks.size(); ++k) {
    const PlanTask& task = build.plan->tasks[k];
    if (task.logits < 0 || static_cast<size_t>(task.logits) >= count) {
      return invalid(build, "task '" + task.name + "' has no logits");
    }
    const bool uses_delta =
        task.kind == LossKind::kHuber || task.kind == LossKind::kPseudoHuber || task.kind == LossKind::kLogCosh;
    if (uses_delta && !(task.delta > 0 && std::isfinite(task.delta))) {
      return invalid(build, "task '" + task.name + "' needs a positive delta");
    }
    logits[static_cast<size_t>(task.logits)].tasks.push_back({k, task.kind, task.weight, task.delta});
  }
  return logits;
}

KernelResult make_loss(const KernelBuild& build) {
  PRERANK_ASSIGN_OR_RETURN(std::vector<TrainedLogit> logits, trained_logits(build));
  return std::unique_ptr<Kernel>(std::make_unique<LossKernel>(std::move(logits)));
}

}  // namespace prerank::cpu
