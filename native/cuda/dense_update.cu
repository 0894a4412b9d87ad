#include <string>
#include <utility>
#include <vector>

#include "cuda/chunks.h"
#include "cuda/dense_update.h"
#include "cuda/launch.h"
#include "cuda/upload.h"

namespace prerank::cuda {
namespace {

// One weight moved by its gradient (already scaled, L2 added).
struct DenseSgd {
  static constexpr int kStates = 0;
  __device__ void operator()(const cpu::UpdateConstants& c, float g, float& w, float&, float&) const { w -= c.lr * g; }
};
struct DenseMomentum {
  static constexpr int kStates = 1;
  __device__ void operator()(const cpu::UpdateConstants& c, float g, float& w, float& buffer, float&) const {
    buffer = c.momentum * buffer + g;
    w -= c.lr * buffer;
  }
};
struct DenseAdagrad {
  static constexpr int kStates = 1;
  __device__ void operator()(const cpu::UpdateConstants& c, float g, float& w, float& sum, float&) const {
    sum += g * g;
    w -= c.lr * g / (sqrtf(sum) + c.epsilon);
  }
};
struct DenseAdam {
  static constexpr int kStates = 2;
  __device__ void operator()(const cpu::UpdateConstants& c, float g, float& w, float& m, float& v) const {
    m = c.beta1 * m + c.rest1 * g;
    v = c.beta2 * v + c.rest2 * (g * g);
    w = c.decay * w - c.m_rate * m / (sqrtf(v) * c.v_scale + c.epsilon);
  }
};

template <class Rule>
__device__ void move_weight(const cpu::UpdateConstants& c, float g, float& w, float& s0, float& s1) {
  Rule()(c, c.grad_scale * g + c.l2 * w, w, s0, s1);
}

template <class Rule>
__device__ void move_four(const cpu::UpdateConstants& c, const float4& g, float4* weights, float4* state0,
                          float4* state1) {
  float4 w = *weights, s0 = {}, s1 = {};
  if constexpr (Rule::kStates > 0) s0 = *state0;
  if constexpr (Rule::kStates > 1) s1 = *state1;
  move_weight<Rule>(c, g.x, w.x, s0.x, s1.x);
  move_weight<Rule>(c, g.y, w.y, s0.y, s1.y);
  move_weight<Rule>(c, g.z, w.z, s0.z, s1.z);
  move_weight<Rule>(c, g.w, w.w, s0.w, s1.w);
  *weights = w;
  if constexpr (Rule::kStates > 0) *state0 = s0;
  if constexpr (Rule::kStates > 1) *state1 = s1;
}

// One block a chunk: reads gradient, weight and states of an element once, writes weight and states.
template <class Rule>
__global__ void __launch_bounds__(kBlockThreads)
    update_dense_chunks(const DenseTarget* targets, const Chunk* chunks, size_t count, const StepNumbers* numbers,
                        const StepResult* result) {
  if (result->refused != 0 || numbers->update == 0) return;
  cpu::UpdateConstants c = numbers->dense;
  c.grad_scale *= result->dense_scale;
  for (size_t k = blockIdx.x; k < count; k += gridDim.x) {
    const Chunk chunk = chunks[k];
    const DenseTarget& target = targets[chunk.target];
    float* const w = target.weights + chunk.begin;
    const float* const g = target.gradient + chunk.begin;
    float* const s0 = Rule::kStates > 0 ? target.state0 + chunk.begin : nullptr;
    float* const s1 = Rule::kStates > 1 ? target.state1 + chunk.begin : nullptr;
    const uintptr_t addresses = reinterpret_cast<uintptr_t>(w) | reinterpret_cast<uintptr_t>(g) |
                                reinterpret_cast<uintptr_t>(s0) | reinterpret_cast<uintptr_t>(s1);
    const uint32_t fours = addresses % sizeof(float4) == 0 ? chunk.size / 4 : 0;
    for (uint32_t i = threadIdx.x; i < fours; i += blockDim.x) {
      move_four<Rule>(c, reinterpret_cast<const float4*>(g)[i], reinterpret_cast<float4*>(w) + i,
                      reinterpret_cast<float4*>(s0) + i, reinterpret_cast<float4*>(s1) + i);
    }
    for (uint32_t i = fours * 4 + threadIdx.x; i < chunk.size; i += blockDim.x) {
      float unused0 = 0, unused1 = 0;
      move_weight<Rule>(c, g[i], w[i], Rule::kStates > 0 ? s0[i] : unused0, Rule::kStates > 1 ? s1[i] : unused1);
    }
  }
}

}  // namespace

Result<DenseUpdate> DenseUpdate::create(const DenseOptimizer& optimizer, std::span<const DenseTarget> targets) {
  DenseUpdate update;
  switch (optimizer.kind) {
    case DenseOptimizerKind::kSgd:
      update.rule_ = optimizer.momentum == 0 ? Rule::kSgd : Rule::kMomentum;
      break;
    case DenseOptimizerKind::kAdagrad:
      update.rule_ = Rule::kAdagrad;
      break;
    case DenseOptimizerKind::kAdam:
    case DenseOptimizerKind::kAdamW:
      update.rule_ = Rule::kAdam;
      break;
  }
  const bool first = update.rule_ != Rule::kSgd, second = update.rule_ == Rule::kAdam;
  std::vector<size_t> sizes;
  for (const DenseTarget& target : targets) {
    const bool whole = target.weights != nullptr && target.gradient != nullptr &&
                       (!first || target.state0 != nullptr) && (!second || target.state1 != nullptr);
    if (target.size > 0 && !whole) {
      return Status(Code::kInvalidArgument,
                    "dense parameter " + std::to_string(sizes.size()) + " lacks its gradient or optimizer state");
    }
    sizes.push_back(target.size);
  }
  const std::vector<Chunk> chunks = chunks_of(sizes);
  update.chunk_count_ = chunks.size();
  PRERANK_ASSIGN_OR_RETURN(update.targets_, upload_array(targets, "the addresses of the dense parameters"));
  PRERANK_ASSIGN_OR_RETURN(update.chunks_,
                           upload_array(std::span<const Chunk>(chunks), "the chunks of the dense parameters"));
  return Result<DenseUpdate>(std::move(update));
}

Status DenseUpdate::enqueue(cudaStream_t stream, const DeviceStep& step) const {
  if (chunk_count_ == 0) return {};
  auto* const kernel = rule_ == Rule::kSgd        ? update_dense_chunks<DenseSgd>
                       : rule_ == Rule::kMomentum ? update_dense_chunks<DenseMomentum>
                       : rule_ == Rule::kAdagrad  ? update_dense_chunks<DenseAdagrad>
                                                  : update_dense_chunks<DenseAdam>;
  return launch(stream, blocks_for(chunk_count_, 1), kBlockThreads, kernel, targets_.as<const DenseTarget>(),
                chunks_.as<const Chunk>(), chunk_count_, step.numbers, step.result);
}

}  // namespace prerank::cuda
