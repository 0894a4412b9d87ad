// The sum of the pieces' squared norms, in an order that follows from their number alone.
#include "cuda/block_sum.h"
#include "cuda/launch.h"
#include "cuda/sparse_passes.h"

namespace prerank::cuda {
namespace {

// The sum of values[first, last), for every thread of the block.
__device__ double add_in_block(const double* values, size_t first, size_t last) {
  double sum = 0;
  for (size_t i = first + threadIdx.x; i < last; i += kBlockThreads) sum += values[i];
  return block_sum(sum);
}

__device__ size_t norm_parts(size_t pieces) { return (pieces + kNormPart - 1) / kNormPart; }

__global__ void add_norm_parts(SparsePass pass, double* parts) {
  const size_t pieces = pass.chunks[pass.tables].first_piece;
  for (size_t p = blockIdx.x; p < norm_parts(pieces); p += gridDim.x) {
    const size_t last = (p + 1) * kNormPart;
    const double sum = add_in_block(pass.norms, p * kNormPart, last < pieces ? last : pieces);
    if (threadIdx.x == 0) parts[p] = sum;
  }
}

__global__ void add_norms(SparsePass pass, const double* parts, double* out) {
  const double sum = add_in_block(parts, 0, norm_parts(pass.chunks[pass.tables].first_piece));
  if (threadIdx.x == 0) *out = sum;
}

}  // namespace

Status enqueue_norm_sum(cudaStream_t stream, const SparseLaunch& size, const SparsePass& pass, double* parts,
                        double* out) {
  PRERANK_RETURN_IF_ERROR(
      launch(stream, blocks_for(size.pieces, kNormPart), kBlockThreads, add_norm_parts, pass, parts));
  return launch(stream, 1, kBlockThreads, add_norms, pass, parts, out);
}

}  // namespace prerank::cuda
