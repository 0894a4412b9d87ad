#include <string>
#include <utility>
#include <vector>

#include "cuda/chunks.h"
#include "cuda/dense_rules.h"
#include "cuda/dense_update.h"
#include "cuda/launch.h"
#include "cuda/upload.h"

namespace prerank::cuda {
namespace {

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
  update.rule_ = dense_rule(optimizer);
  const bool first = update.rule_ != DenseRule::kSgd, second = update.rule_ == DenseRule::kAdam;
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
  auto* const kernel = rule_ == DenseRule::kSgd        ? update_dense_chunks<DenseSgd>
                       : rule_ == DenseRule::kMomentum ? update_dense_chunks<DenseMomentum>
                       : rule_ == DenseRule::kAdagrad  ? update_dense_chunks<DenseAdagrad>
                                                  : update_dense_chunks<DenseAdam>;
  return launch(stream, blocks_for(chunk_count_, 1), kBlockThreads, kernel, targets_.as<const DenseTarget>(),
                chunks_.as<const Chunk>(), chunk_count_, step.numbers, step.result);
}

}  // namespace prerank::cuda
