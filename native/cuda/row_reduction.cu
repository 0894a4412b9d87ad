#include "cuda/row_reduction.h"

#include <algorithm>

#include "cuda/row_ranges.h"

namespace prerank::cuda {
namespace {

constexpr size_t kMaxChunks = 256;
constexpr size_t kMinChunkRows = 64;

struct RowChunks {
  size_t rows, chunk;
  __device__ size_t first(size_t k) const { return k * chunk; }
  __device__ size_t last(size_t k) const { return first(k) + chunk < rows ? first(k) + chunk : rows; }
};

size_t chunk_count(size_t rows) {
  return std::clamp<size_t>((rows + kMinChunkRows - 1) / kMinChunkRows, 1, kMaxChunks);
}

// y[k, c] = or += sum over the rows of chunk k.
Status sum_chunks(cudaStream_t stream, size_t chunks, size_t rows, size_t width, const float* x, size_t stride,
                  const Matrix& y, bool add) {
  const RowRanges ranges = {.count = chunks, .width = width, .add = add};
  return enqueue_row_ranges(stream, ranges, kBlockThreads, RowChunks{rows, (rows + chunks - 1) / chunks}, x, stride,
                            y);
}

// *out += sum of x. One block; reads n floats.
__global__ void add_all(size_t n, const float* x, float* out) {
  __shared__ double sums[kBlockThreads];
  double sum = 0;
  for (size_t i = threadIdx.x; i < n; i += kBlockThreads) sum += static_cast<double>(x[i]);
  sums[threadIdx.x] = sum;
  for (unsigned int half = kBlockThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  if (threadIdx.x == 0) *out += static_cast<float>(sums[0]);
}

}  // namespace

size_t column_sum_scratch(size_t rows, size_t width) { return chunk_count(rows) * width; }

Status add_column_sums(cudaStream_t stream, size_t rows, size_t width, const float* x, size_t stride, float* scratch,
                       float* out) {
  if (rows == 0 || width == 0) return {};
  const size_t chunks = chunk_count(rows);
  if (chunks == 1) return sum_chunks(stream, 1, rows, width, x, stride, {out, width}, true);
  PRERANK_RETURN_IF_ERROR(sum_chunks(stream, chunks, rows, width, x, stride, {scratch, width}, false));
  return sum_chunks(stream, 1, chunks, width, scratch, width, {out, width}, true);
}

Status add_total(cudaStream_t stream, size_t rows, size_t width, const float* x, size_t stride, float* scratch,
                 float* out) {
  if (rows == 0 || width == 0) return {};
  const size_t chunks = chunk_count(rows);
  PRERANK_RETURN_IF_ERROR(sum_chunks(stream, chunks, rows, width, x, stride, {scratch, width}, false));
  return launch(stream, 1, kBlockThreads, add_all, chunks * width, scratch, out);
}

}  // namespace prerank::cuda
