#include <cmath>
#include <utility>
#include <vector>

#include "cuda/block_sum.h"
#include "cuda/chunks.h"
#include "cuda/launch.h"
#include "cuda/transform.h"
#include "cuda/upload.h"
#include "plan/program_checks.h"

namespace prerank::cuda {
namespace {

constexpr unsigned int kFinishThreads = 1024;

__device__ double squared(float x) { return static_cast<double>(x) * static_cast<double>(x); }

// One block a chunk at a time; partials[b] is what block b has summed.
__global__ void __launch_bounds__(kBlockThreads)
    norm_of_chunks(const DenseTarget* targets, const Chunk* chunks, size_t count, double* partials) {
  double sum = 0;
  for (size_t k = blockIdx.x; k < count; k += gridDim.x) {
    const Chunk chunk = chunks[k];
    const float* const g = targets[chunk.target].gradient + chunk.begin;
    const uint32_t fours = reinterpret_cast<uintptr_t>(g) % sizeof(float4) == 0 ? chunk.size / 4 : 0;
    for (uint32_t i = threadIdx.x; i < fours; i += blockDim.x) {
      const float4 v = reinterpret_cast<const float4*>(g)[i];
      sum += squared(v.x) + squared(v.y) + (squared(v.z) + squared(v.w));
    }
    for (uint32_t i = fours * 4 + threadIdx.x; i < chunk.size; i += blockDim.x) sum += squared(g[i]);
  }
  const double total = block_sum(sum);
  if (threadIdx.x == 0) partials[blockIdx.x] = total;
}

struct Clipping {
  double norm;  // 0: off
  bool tables;  // they count for the norm and are scaled
};

// One block. table_norm_sq is null where it does not count.
__global__ void __launch_bounds__(kFinishThreads)
    finish_transform(const double* partials, unsigned int parts, const double* table_norm_sq, const TaskStats* stats,
                     size_t tasks, Clipping clipping, StepResult* result) {
  double sum = 0;
  for (unsigned int p = threadIdx.x; p < parts; p += blockDim.x) sum += partials[p];
  double total = block_sum(sum);
  if (threadIdx.x != 0) return;
  uint32_t refused = 0;
  for (size_t k = 0; k < tasks; ++k) {
    if (stats[k].nonfinite != 0 || !std::isfinite(stats[k].loss)) refused |= kRefusedLoss;
  }
  if (table_norm_sq != nullptr) total += *table_norm_sq;
  if (!std::isfinite(total)) refused |= kRefusedNorm;
  const double norm = sqrt(total);
  double scale = 1;
  if (clipping.norm > 0 && norm + kClipEpsilon > clipping.norm) scale = clipping.norm / (norm + kClipEpsilon);
  result->norm = norm;
  result->dense_scale = static_cast<float>(scale);
  result->sparse_scale = clipping.tables ? static_cast<float>(scale) : 1.0f;
  result->refused |= refused;
}

}  // namespace

Result<GradientTransform> GradientTransform::create(std::span<const DenseTarget> targets, size_t tasks,
                                                    double clip_norm, ClipScope scope) {
  GradientTransform transform;
  transform.tasks_ = tasks;
  transform.clip_norm_ = clip_norm;
  transform.scope_ = scope;
  std::vector<size_t> sizes;
  for (const DenseTarget& target : targets) sizes.push_back(target.size);
  const std::vector<Chunk> chunks = chunks_of(sizes);
  transform.chunk_count_ = chunks.size();
  PRERANK_ASSIGN_OR_RETURN(transform.targets_, upload_array(targets, "the addresses of the gradients"));
  PRERANK_ASSIGN_OR_RETURN(transform.chunks_,
                           upload_array(std::span<const Chunk>(chunks), "the chunks of the gradients"));
  PRERANK_ASSIGN_OR_RETURN(transform.partials_, DeviceBuffer::allocate(blocks_for(chunks.size(), 1) * sizeof(double),
                                                                       "the sums of the gradient norm"));
  return Result<GradientTransform>(std::move(transform));
}

Status GradientTransform::enqueue(cudaStream_t stream, const DeviceStep& step, const double* table_norm_sq) const {
  unsigned int parts = 0;
  if (chunk_count_ > 0) {
    parts = blocks_for(chunk_count_, 1);
    PRERANK_RETURN_IF_ERROR(launch(stream, parts, kBlockThreads, norm_of_chunks, targets_.as<const DenseTarget>(),
                                   chunks_.as<const Chunk>(), chunk_count_, partials_.as<double>()));
  }
  const Clipping clipping = {clip_norm_, clip_norm_ > 0 && scope_ == ClipScope::kAll};
  return launch(stream, 1, kFinishThreads, finish_transform, partials_.as<const double>(), parts,
                clipping.tables ? table_norm_sq : nullptr, step.stats, tasks_, clipping, step.result);
}

}  // namespace prerank::cuda
