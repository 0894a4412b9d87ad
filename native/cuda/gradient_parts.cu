#include "cuda/gradient_parts.h"

#include <span>
#include <utility>

#include "cuda/block_sum.h"
#include "cuda/chunks.h"
#include "cuda/launch.h"
#include "cuda/share.h"
#include "cuda/upload.h"

namespace prerank::cuda {
namespace {

// One block a chunk at a time: reads the parts once for each product of two of them, mostly from a cache.
__global__ void __launch_bounds__(kBlockThreads)
    gram_of_chunks(const float* const* sources, size_t logits, const Chunk* chunks, size_t count, double* grams) {
  for (size_t c = blockIdx.x; c < count; c += gridDim.x) {
    const Chunk chunk = chunks[c];
    const float* const* const parts = sources + chunk.target * logits;
    double* const gram = grams + c * logits * logits;
    for (size_t i = 0; i < logits; ++i) {
      for (size_t j = i; j < logits; ++j) {
        double sum = 0;
        if (parts[i] != nullptr && parts[j] != nullptr) {
          const float* const a = parts[i] + chunk.begin;
          const float* const b = parts[j] + chunk.begin;
          for (uint32_t e = threadIdx.x; e < chunk.size; e += blockDim.x) {
            sum += static_cast<double>(a[e]) * static_cast<double>(b[e]);
          }
        }
        const double product = block_sum(sum);
        if (threadIdx.x == 0) gram[i * logits + j] = gram[j * logits + i] = product;
      }
    }
  }
}

// One block an element of the matrix.
__global__ void __launch_bounds__(kBlockThreads) add_grams(size_t count, const double* grams, double* gram) {
  double sum = 0;
  for (size_t c = threadIdx.x; c < count; c += blockDim.x) sum += grams[c * gridDim.x + blockIdx.x];
  const double total = block_sum(sum);
  if (threadIdx.x == 0) gram[blockIdx.x] = total;
}

// The parts of an element weighted by the coefficients, into the first. at(k): where part k's lies, or null.
template <class At>
__device__ void combine(size_t logits, const double* coefficients, const At& at) {
  float* first = nullptr;
  double sum = 0;
  for (size_t k = 0; k < logits; ++k) {
    float* const part = at(k);
    if (part == nullptr) continue;
    if (first == nullptr) first = part;
    sum += coefficients[k] * static_cast<double>(*part);
  }
  *first = static_cast<float>(sum);
}

// One block a chunk at a time.
__global__ void __launch_bounds__(kBlockThreads)
    combine_chunks(float* const* sources, size_t logits, const Chunk* chunks, size_t count,
                   const double* coefficients) {
  for (size_t c = blockIdx.x; c < count; c += gridDim.x) {
    const Chunk chunk = chunks[c];
    float* const* const parts = sources + chunk.target * logits;
    for (size_t e = chunk.begin + threadIdx.x; e < chunk.begin + chunk.size; e += blockDim.x) {
      combine(logits, coefficients, [=](size_t k) { return parts[k] == nullptr ? nullptr : parts[k] + e; });
    }
  }
}

// As combine_chunks, for the rows of one pooled gradient.
__global__ void __launch_bounds__(kBlockThreads)
    combine_rows(PooledParts parts, size_t logits, size_t rows, size_t width, Share share, const double* coefficients) {
  for (size_t row = share.first(); row < rows; row += share.step()) {
    for (size_t column = share.lane(); column < width; column += share.threads()) {
      combine(logits, coefficients, [&](size_t k) {
        return parts.source[k] == nullptr ? nullptr : parts.source[k] + row * parts.stride[k] + column;
      });
    }
  }
}

}  // namespace

Result<GradientParts> GradientParts::create(const Plan& plan, const DeviceMemory& memory, size_t logits) {
  GradientParts parts;
  parts.logits_ = logits;
  std::vector<float*> sources;
  std::vector<size_t> sizes;
  for (const PlanParts& planned : plan.balancing->dense) {
    size_t width = 0;
    for (const int32_t value : planned.values) {
      sources.push_back(value < 0 ? nullptr : memory.address(static_cast<size_t>(value)));
      if (value >= 0) width = static_cast<size_t>(plan.values[static_cast<size_t>(value)].width);
    }
    sizes.push_back(width);
  }
  for (const PlanParts& planned : plan.balancing->pooled) {
    Pooled& pooled = parts.pooled_.emplace_back();
    for (size_t k = 0; k < planned.values.size(); ++k) {
      if (planned.values[k] < 0) continue;
      const auto index = static_cast<size_t>(planned.values[k]);
      const PlanValue& value = plan.values[index];
      pooled.parts.source[k] = memory.address(index);
      pooled.parts.stride[k] = static_cast<uint32_t>(value.stride);
      pooled.width = static_cast<size_t>(value.width);
      pooled.domain = value.domain;
    }
  }
  const std::vector<Chunk> chunks = chunks_of(sizes);
  parts.chunk_count_ = chunks.size();
  constexpr const char* kWhat = "the parts of the tasks' gradients";
  PRERANK_ASSIGN_OR_RETURN(parts.sources_, upload_array(std::span<float* const>(sources), kWhat));
  PRERANK_ASSIGN_OR_RETURN(parts.chunks_, upload_array(std::span<const Chunk>(chunks), kWhat));
  PRERANK_ASSIGN_OR_RETURN(parts.chunk_grams_,
                           DeviceBuffer::allocate(chunks.size() * logits * logits * sizeof(double), kWhat));
  return Result<GradientParts>(std::move(parts));
}

Status GradientParts::enqueue_gram(cudaStream_t stream, double* gram) const {
  if (chunk_count_ > 0) {
    PRERANK_RETURN_IF_ERROR(launch(stream, blocks_for(chunk_count_, 1), kBlockThreads, gram_of_chunks,
                                   sources_.as<const float*>(), logits_, chunks_.as<const Chunk>(), chunk_count_,
                                   chunk_grams_.as<double>()));
  }
  return launch(stream, static_cast<unsigned int>(logits_ * logits_), kBlockThreads, add_grams, chunk_count_,
                chunk_grams_.as<const double>(), gram);
}

Status GradientParts::enqueue_combination(cudaStream_t stream, const double* coefficients,
                                          const BatchSize& size) const {
  if (chunk_count_ > 0) {
    PRERANK_RETURN_IF_ERROR(launch(stream, blocks_for(chunk_count_, 1), kBlockThreads, combine_chunks,
                                   sources_.as<float*>(), logits_, chunks_.as<const Chunk>(), chunk_count_,
                                   coefficients));
  }
  for (const Pooled& pooled : pooled_) {
    const size_t rows = pooled.domain == Domain::kRow ? size.rows : size.requests;
    if (rows == 0) continue;
    const Share share = share_for(pooled.width, kBlockThreads);
    PRERANK_RETURN_IF_ERROR(launch(stream, share.blocks(rows), kBlockThreads, combine_rows, pooled.parts, logits_, rows,
                                   pooled.width, share, coefficients));
  }
  return {};
}

}  // namespace prerank::cuda
