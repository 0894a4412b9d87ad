// The fused loss of all tasks: gradients of the logits and each task's sums.
// Per task k and row of its mask, with weight w: dLogit += lambda_k * scale_k * inv_n_k * w * dloss/dlogit.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <vector>

#include "cpu/loss_tasks.h"
#include "cuda/device.h"
#include "cuda/elementwise.h"
#include "cuda/losses.h"
#include "cuda/ops.h"

namespace prerank::cuda {
namespace {

using cpu::LossTask;
using cpu::TrainedLogit;

constexpr size_t kLogitsPerLaunch = 32;    // as many fit a kernel's parameters
constexpr unsigned int kLossBlocks = 512;  // of a logit; their threads stride over what is left
constexpr unsigned int kLossThreads = 256;
constexpr unsigned int kTotalThreads = 256;

// Fields of TaskStats, in its order.
enum LossField {
  kLossSum,
  kWeightSum,
  kCount,
  kPredictionSum,
  kTargetSum,
  kTargetSqSum,
  kNonfinite,
  kFirstRow,
  kLossFields
};
static_assert(sizeof(TaskStats) == kLossFields * sizeof(double));
static_assert(offsetof(TaskStats, prediction) == kPredictionSum * sizeof(double));
static_assert(offsetof(TaskStats, first_row) == kFirstRow * sizeof(double));

// A logit and the tasks that train it, LossLaunch::tasks[first .. end).
struct LossLogit {
  Matrix x = {}, dx = {};
  unsigned int first = 0, end = 0;
};

struct LossLaunch {
  LossLogit logits[kLogitsPerLaunch];
  LossTask tasks[cpu::kMaxTasks];
};

struct LossSums {
  double of[kLossFields] = {0, 0, 0, 0, 0, 0, 0, -1};
};

__device__ double joined(int field, double a, double b) {
  if (field != kFirstRow) return a + b;
  if (a < 0 || b < 0) return a < 0 ? b : a;
  return a < b ? a : b;
}

// The sums of the whole block: field f in thread f.
__device__ double block_loss_sums(const LossSums& sums) {
  __shared__ double parts[kLossThreads / 32][kLossFields];
  const unsigned int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  __syncthreads();  // an earlier call may still be reading
  for (int f = 0; f < kLossFields; ++f) {
    double value = sums.of[f];
    for (int mask = 16; mask > 0; mask /= 2) value = joined(f, value, __shfl_xor_sync(0xffffffffu, value, mask));
    if (lane == 0) parts[warp][f] = value;
  }
  __syncthreads();
  if (threadIdx.x >= kLossFields) return 0;
  const int field = static_cast<int>(threadIdx.x);
  double total = parts[0][field];
  for (unsigned int w = 1; w < blockDim.x / 32; ++w) total = joined(field, total, parts[w][field]);
  return total;
}

// Blocks [l * blocks, (l + 1) * blocks) go over the rows of logit l, once for each of its tasks: reads mask, target,
// weight and logit, writes the gradient (the logit's first task) or adds to it.
__global__ void __launch_bounds__(kLossThreads)
    loss_rows(size_t rows, unsigned int blocks, LossLaunch launched, DeviceBatch batch, const double* task_scale,
              double* partials) {
  const LossLogit& logit = launched.logits[blockIdx.x / blocks];
  const unsigned int block = blockIdx.x % blocks;
  const size_t begin = size_t{block} * blockDim.x + threadIdx.x, stride = size_t{blocks} * blockDim.x;
  if (logit.first == logit.end) {
    for (size_t r = begin; r < rows; r += stride) logit.dx.at(r, 0) = 0;
    return;
  }
  const float* const weights = *batch.weight;
  for (unsigned int t = logit.first; t < logit.end; ++t) {
    const LossTask& task = launched.tasks[t];
    const float* const targets = batch.targets[task.index];
    const double factor = task_scale == nullptr ? 1.0 : task_scale[task.index];
    const double scale = task.lambda * factor * batch.inv_n[task.index];
    LossSums sums;
    for (size_t r = begin; r < rows; r += stride) {
      float gradient = t == logit.first ? 0.0f : logit.dx.at(r, 0);
      if ((batch.task_mask[r] >> task.index & 1u) != 0) {
        const float target = targets[r];
        const PointwiseLoss p = pointwise_loss(task.kind, task.delta, logit.x.at(r, 0), target);
        const double w = weights == nullptr ? 1.0 : static_cast<double>(weights[r]);
        const double weighted_loss = w * static_cast<double>(p.loss);
        const float g = static_cast<float>(scale * w * static_cast<double>(p.grad));
        sums.of[kCount] += 1;
        if (!std::isfinite(weighted_loss) || !std::isfinite(g)) {
          sums.of[kNonfinite] += 1;
          sums.of[kFirstRow] = joined(kFirstRow, sums.of[kFirstRow], static_cast<double>(r));
        } else {
          const double label = static_cast<double>(target);
          gradient += g;
          sums.of[kLossSum] += weighted_loss;
          sums.of[kWeightSum] += w;
          sums.of[kPredictionSum] += w * static_cast<double>(p.prediction);
          sums.of[kTargetSum] += w * label;
          sums.of[kTargetSqSum] += w * label * label;
        }
      }
      logit.dx.at(r, 0) = gradient;
    }
    const double total = block_loss_sums(sums);
    if (threadIdx.x < kLossFields) partials[(size_t{t} * blocks + block) * kLossFields + threadIdx.x] = total;
  }
}

// One block a task adds up what the blocks of loss_rows have left.
__global__ void __launch_bounds__(kTotalThreads)
    loss_totals(unsigned int blocks, LossLaunch launched, const double* partials, TaskStats* stats) {
  const double* const part = partials + size_t{blockIdx.x} * blocks * kLossFields;
  LossSums sums;
  for (unsigned int b = threadIdx.x; b < blocks; b += blockDim.x) {
    for (int f = 0; f < kLossFields; ++f) sums.of[f] = joined(f, sums.of[f], part[size_t{b} * kLossFields + f]);
  }
  const double total = block_loss_sums(sums);
  if (threadIdx.x >= kLossFields) return;
  double& field = reinterpret_cast<double*>(stats + launched.tasks[blockIdx.x].index)[threadIdx.x];
  field = joined(static_cast<int>(threadIdx.x), field, total);
}

class DeviceLoss final : public DeviceKernel {
 public:
  DeviceLoss(std::vector<TrainedLogit> logits, DeviceBuffer partials)
      : logits_(std::move(logits)), partials_(std::move(partials)) {}

  Status enqueue(const DeviceContext& context) const override {
    if (context.rows == 0) return {};
    for (size_t first = 0; first < logits_.size(); first += kLogitsPerLaunch) {
      PRERANK_RETURN_IF_ERROR(enqueue_logits(context, first, std::min(first + kLogitsPerLaunch, logits_.size())));
    }
    return {};
  }

 private:
  Status enqueue_logits(const DeviceContext& context, size_t first, size_t end) const {
    LossLaunch launched = {};
    unsigned int tasks = 0;
    for (size_t l = first; l < end; ++l) {
      LossLogit& logit = launched.logits[l - first];
      logit = {matrix(logits_[l].x, context), matrix(logits_[l].dx, context), tasks, 0};
      for (const LossTask& task : logits_[l].tasks) launched.tasks[tasks++] = task;
      logit.end = tasks;
    }
    const unsigned int blocks = std::min(blocks_for(context.rows, kLossThreads), kLossBlocks);
    PRERANK_RETURN_IF_ERROR(launch(context.stream, blocks * static_cast<unsigned int>(end - first), kLossThreads,
                                   loss_rows, context.rows, blocks, launched, context.input, context.device.task_scale,
                                   partials_.as<double>()));
    if (tasks == 0) return {};
    return launch(context.stream, tasks, kTotalThreads, loss_totals, blocks, launched, partials_.as<double>(),
                  context.device.stats);
  }

  std::vector<TrainedLogit> logits_;
  DeviceBuffer partials_;  // [tasks of a launch, blocks, fields]
};

}  // namespace

DeviceKernelResult make_loss(const DeviceBuild& build) {
  PRERANK_ASSIGN_OR_RETURN(std::vector<TrainedLogit> logits, cpu::trained_logits(build));
  const size_t blocks = std::min(blocks_for(build.rows, kLossThreads), kLossBlocks);
  PRERANK_ASSIGN_OR_RETURN(DeviceBuffer partials,
                           DeviceBuffer::allocate(build.plan->tasks.size() * blocks * kLossFields * sizeof(double),
                                                  "the sums of the fused loss"));
  return std::unique_ptr<DeviceKernel>(std::make_unique<DeviceLoss>(std::move(logits), std::move(partials)));
}

}  // namespace prerank::cuda
