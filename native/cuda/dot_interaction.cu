// DLRM's dot interaction (arXiv 1906.00091): each row holds T [features, dim]; kept is T T^T below its diagonal.
#include <algorithm>

#include "cpu/dot_features.h"
#include "cuda/dot_fragments.h"
#include "cuda/elementwise.h"
#include "cuda/ops.h"
#include "cuda/products.h"

namespace prerank::cuda {
namespace {

constexpr unsigned int kDotThreads = 256;
constexpr unsigned int kMaxDotRows = 32;                   // of a tile
constexpr size_t kSmallStage = 4096, kLargeStage = 12288;  // floats of shared memory

// A tile of rows is staged in shared memory, vectors `pitch` floats apart so that a warp's reads of neighbouring
// vectors meet different banks.
struct DotShape {
  unsigned int features = 0, dim = 0, pairs = 0;
  unsigned int columns = 0;  // items of the forward kernel for a row
  unsigned int pitch = 0;
  unsigned int row_floats = 0;  // staged for a row
  unsigned int tile_rows = 1;
  bool fours = false;  // dim is a multiple of 4: pitch is one, too
};

__device__ unsigned int pairs_before(unsigned int i) { return i == 0 ? 0 : i * (i - 1) / 2; }

// A thread multiplies kDotBlock neighbouring vectors with one earlier vector j, so that it reads that one once. These
// columns of T T^T below the diagonal are numbered by block of vectors, then by j: block b has 4 b + 3, as its last
// vector.
constexpr unsigned int kDotBlock = 4;
__host__ __device__ unsigned int columns_before(unsigned int block) { return block * (2 * block + 1); }
struct DotColumn {
  unsigned int i, j;  // vectors i ... i + 3
};
__device__ DotColumn column_at(unsigned int number) {
  auto block = static_cast<unsigned int>((sqrtf(1.0f + 8.0f * static_cast<float>(number)) - 1.0f) * 0.25f);
  while (columns_before(block) > number) --block;
  while (columns_before(block + 1) <= number) ++block;
  return {block * kDotBlock, number - columns_before(block)};
}
unsigned int dot_columns(unsigned int features) {
  const unsigned int last = (features - 1) / kDotBlock;  // the last block may be short
  return columns_before(last) + std::min(last * kDotBlock + 3, features - 1);
}

// Products of vectors i ... i + 3 (those there are) with vector j into the row's pairs.
__device__ void write_dots(const DotShape& shape, const DotColumn& at, const float* vectors, size_t pitch, bool fours,
                           float* pairs) {
  const float* const b = vectors + at.j * pitch;
  const float* a[kDotBlock];
  float sums[kDotBlock] = {};
  for (unsigned int n = 0; n < kDotBlock; ++n) {
    a[n] = vectors + (at.i + n < shape.features ? at.i + n : shape.features - 1) * pitch;
  }
  if (fours) {
    for (unsigned int k = 0; k < shape.dim; k += 4) {
      const float4 q = *reinterpret_cast<const float4*>(b + k);
      for (unsigned int n = 0; n < kDotBlock; ++n) {
        const float4 p = *reinterpret_cast<const float4*>(a[n] + k);
        sums[n] += p.x * q.x;
        sums[n] += p.y * q.y;
        sums[n] += p.z * q.z;
        sums[n] += p.w * q.w;
      }
    }
  } else {
    for (unsigned int k = 0; k < shape.dim; ++k) {
      for (unsigned int n = 0; n < kDotBlock; ++n) sums[n] += a[n][k] * b[k];
    }
  }
  for (unsigned int n = 0; n < kDotBlock; ++n) {
    const unsigned int i = at.i + n;
    if (i < shape.features && at.j < i) pairs[pairs_before(i) + at.j] = sums[n];
  }
}

// The vectors of `count` rows into shared memory, neighbouring threads on neighbouring addresses.
__device__ void stage_vectors(const DotShape& shape, unsigned int count, const float* x, size_t stride, bool aligned,
                              float* stage) {
  const unsigned int width = aligned ? 4 : 1;
  const unsigned int in_vector = shape.dim / width, in_row = shape.features * in_vector;
  for (unsigned int e = threadIdx.x; e < count * in_row; e += blockDim.x) {
    const unsigned int r = e / in_row, in = e % in_row;
    const unsigned int feature = in / in_vector, k = in % in_vector * width;
    const float* const from = x + r * stride + feature * shape.dim + k;
    float* const to = stage + r * shape.row_floats + feature * shape.pitch + k;
    if (aligned) {
      *reinterpret_cast<float4*>(to) = *reinterpret_cast<const float4*>(from);
    } else {
      *to = *from;
    }
  }
}

// Reads features * dim floats a row once and writes its pairs; neighbouring threads write neighbouring pairs. Without a
// stage (kFloats 0) vectors are read from global memory as often as they are used.
template <size_t kFloats>
__global__ void __launch_bounds__(kDotThreads)
    dot_pairs(size_t rows, DotShape shape, Matrix x, bool aligned, Matrix y) {
  __shared__ float4 memory[kFloats > 0 ? kFloats / 4 : 1];
  float* const stage = reinterpret_cast<float*>(memory);
  for (size_t first = size_t{blockIdx.x} * shape.tile_rows; first < rows;
       first += size_t{gridDim.x} * shape.tile_rows) {
    const size_t left = rows - first;
    const unsigned int count = left < shape.tile_rows ? static_cast<unsigned int>(left) : shape.tile_rows;
    if constexpr (kFloats > 0) {
      __syncthreads();  // the tile before is still being read
      stage_vectors(shape, count, &x.at(first, 0), x.stride, aligned, stage);
      __syncthreads();
    }
    for (unsigned int item = threadIdx.x; item < count * shape.columns; item += blockDim.x) {
      const unsigned int r = item / shape.columns;
      const DotColumn at = column_at(item % shape.columns);
      float* const pairs = &y.at(first + r, 0);
      if constexpr (kFloats > 0) {
        write_dots(shape, at, stage + r * shape.row_floats, shape.pitch, shape.fours, pairs);
      } else {
        write_dots(shape, at, &x.at(first + r, 0), shape.dim, aligned, pairs);
      }
    }
  }
}

// kLanes neighbouring columns of a vector.
template <unsigned int kLanes>
struct DotLanes {
  float of[kLanes] = {};

  __device__ static DotLanes load(const float* from) {
    if constexpr (kLanes == 4) {
      const float4 v = *reinterpret_cast<const float4*>(from);
      return {{v.x, v.y, v.z, v.w}};
    } else {
      return {{*from}};
    }
  }
  __device__ void store(float* to) const {
    if constexpr (kLanes == 4) {
      *reinterpret_cast<float4*>(to) = make_float4(of[0], of[1], of[2], of[3]);
    } else {
      *to = of[0];
    }
  }
  __device__ void add(float factor, const DotLanes& v) {
    for (unsigned int l = 0; l < kLanes; ++l) of[l] += factor * v.of[l];
  }
};

// Gradients of kLanes columns of vectors i and i + 1 (if there is one): sums over the others j of dy[i, j] * x[j],
// where `columns` is x[0] at these columns. All lanes of a warp take the same j, so that those of the same columns
// share a read.
template <unsigned int kLanes>
__device__ void write_gradient(const DotShape& shape, unsigned int i, const float* dy, const float* columns,
                               size_t pitch, bool accumulate, float* out) {
  const bool two = i + 1 < shape.features;
  float* const next = out + shape.dim;
  DotLanes<kLanes> sum, sum_next;
  if (accumulate) {
    sum = DotLanes<kLanes>::load(out);
    if (two) sum_next = DotLanes<kLanes>::load(next);
  }
  const float* const own = dy + pairs_before(i);
  const float* const own_next = own + i;
  unsigned int before = 0;  // pairs before vector j
  for (unsigned int j = 0; j < shape.features; before += j, ++j) {
    const DotLanes<kLanes> x = DotLanes<kLanes>::load(columns + j * pitch);
    if (j != i) sum.add(j < i ? own[j] : dy[before + i], x);
    if (two && j != i + 1) sum_next.add(j <= i ? own_next[j] : dy[before + i + 1], x);
  }
  sum.store(out);
  if (two) sum_next.store(next);
}

// Reads a row's vectors and dY once and writes (or adds to) its gradient; without a stage they are read from global
// memory as often as they are used.
template <size_t kFloats, unsigned int kLanes>
__global__ void __launch_bounds__(kDotThreads)
    dot_gradient(size_t rows, DotShape shape, Matrix dy, Matrix x, bool aligned, bool accumulate, Matrix dx) {
  __shared__ float4 memory[kFloats > 0 ? kFloats / 4 : 1];
  float* const stage = reinterpret_cast<float*>(memory);
  const unsigned int in_vector = shape.dim / kLanes, in_row = (shape.features + 1) / 2 * in_vector;
  const unsigned int vectors = shape.features * shape.pitch;  // floats before the staged dY
  for (size_t first = size_t{blockIdx.x} * shape.tile_rows; first < rows;
       first += size_t{gridDim.x} * shape.tile_rows) {
    const size_t left = rows - first;
    const unsigned int count = left < shape.tile_rows ? static_cast<unsigned int>(left) : shape.tile_rows;
    if constexpr (kFloats > 0) {
      __syncthreads();  // the tile before is still being read
      stage_vectors(shape, count, &x.at(first, 0), x.stride, aligned, stage);
      for (unsigned int e = threadIdx.x; e < count * shape.pairs; e += blockDim.x) {
        const unsigned int r = e / shape.pairs, number = e % shape.pairs;
        stage[r * shape.row_floats + vectors + number] = dy.at(first + r, number);
      }
      __syncthreads();
    }
    for (unsigned int item = threadIdx.x; item < count * in_row; item += blockDim.x) {
      const unsigned int r = item / in_row, in = item % in_row;
      const unsigned int i = in / in_vector * 2, column = in % in_vector * kLanes;
      float* const out = &dx.at(first + r, size_t{i} * shape.dim + column);
      if constexpr (kFloats > 0) {
        const float* const row = stage + r * shape.row_floats;
        write_gradient<kLanes>(shape, i, row + vectors, row + column, shape.pitch, accumulate, out);
      } else {
        write_gradient<kLanes>(shape, i, &dy.at(first + r, 0), &x.at(first + r, column), shape.dim, accumulate, out);
      }
    }
  }
}

// `beside` floats are staged besides a row's vectors.
Result<DotShape> dot_shape(const DeviceBuild& build, const View& x, size_t pairs, size_t beside) {
  PRERANK_ASSIGN_OR_RETURN(const size_t features, cpu::dot_features(build, x, pairs));
  const size_t dim = x.width / features;
  DotShape shape;
  shape.features = static_cast<unsigned int>(features);
  shape.dim = static_cast<unsigned int>(dim);
  shape.pairs = static_cast<unsigned int>(pairs);
  shape.columns = dot_columns(shape.features);
  shape.fours = dim % 4 == 0;
  const size_t unit = shape.fours ? 4 : 1;
  const size_t pitch = dim / unit % 2 == 1 ? dim : dim + unit;
  const size_t row = (features * pitch + beside + 3) / 4 * 4;
  if (row > kLargeStage) return shape;
  shape.pitch = static_cast<unsigned int>(pitch);
  shape.row_floats = static_cast<unsigned int>(row);
  const size_t stage = row <= kSmallStage ? kSmallStage : kLargeStage;
  shape.tile_rows = static_cast<unsigned int>(std::min<size_t>(stage / row, kMaxDotRows));
  return shape;
}

// float4 goes: every row starts at a multiple of 16 bytes.
bool in_fours(const DotShape& shape, const Matrix& m) {
  return shape.fours && m.stride % 4 == 0 && reinterpret_cast<uintptr_t>(m.data) % 16 == 0;
}

template <size_t kFloats>
Status enqueue_gradient(const DeviceContext& context, const DotShape& shape, const Matrix& dy, const Matrix& x,
                        bool accumulate, const Matrix& dx) {
  const bool aligned = in_fours(shape, x);
  const unsigned int blocks = blocks_for(context.rows, shape.tile_rows);
  // The stage is aligned whatever x is.
  if (in_fours(shape, dx) && (aligned || kFloats > 0)) {
    return launch(context.stream, blocks, kDotThreads, dot_gradient<kFloats, 4>, context.rows, shape, dy, x, aligned,
                  accumulate, dx);
  }
  return launch(context.stream, blocks, kDotThreads, dot_gradient<kFloats, 1>, context.rows, shape, dy, x, aligned,
                accumulate, dx);
}

}  // namespace

DeviceKernelResult make_dot_interaction(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, cpu::row_input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::output_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const DotShape shape, dot_shape(build, x, y.width, 0));
  const MatmulPrecision precision = build.products->precision();
  if (takes_fragments(precision, shape.features)) {
    return make_device_kernel([=, vectors = DotVectors{shape.features, shape.dim}](const DeviceContext& context) {
      return enqueue_dot_fragments(context.stream, precision, context.rows, vectors, matrix(x, context),
                                   matrix(y, context));
    });
  }
  return make_device_kernel([=](const DeviceContext& context) -> Status {
    if (context.rows == 0) return {};
    const Matrix from = matrix(x, context);
    auto* const kernel = shape.row_floats == 0             ? dot_pairs<0>
                         : shape.row_floats <= kSmallStage ? dot_pairs<kSmallStage>
                                                           : dot_pairs<kLargeStage>;
    return launch(context.stream, blocks_for(context.rows, shape.tile_rows), kDotThreads, kernel, context.rows, shape,
                  from, in_fours(shape, from), matrix(y, context));
  });
}

DeviceKernelResult make_dot_interaction_grad(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 2, 1));
  PRERANK_ASSIGN_OR_RETURN(const View dy, cpu::row_input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View x, cpu::row_input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const View dx, cpu::output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "dX", dx.width, x.width));
  PRERANK_ASSIGN_OR_RETURN(const DotShape shape, dot_shape(build, x, dy.width, dy.width));
  const bool accumulate = build.number("accumulate", 0) != 0;
  const MatmulPrecision precision = build.products->precision();
  if (takes_fragments(precision, shape.features)) {
    return make_device_kernel([=, vectors = DotVectors{shape.features, shape.dim}](const DeviceContext& context) {
      return enqueue_dot_fragments_grad(context.stream, precision, context.rows, vectors, matrix(dy, context),
                                        matrix(x, context), accumulate, matrix(dx, context));
    });
  }
  return make_device_kernel([=](const DeviceContext& context) -> Status {
    if (context.rows == 0) return {};
    const auto enqueue = shape.row_floats == 0             ? enqueue_gradient<0>
                         : shape.row_floats <= kSmallStage ? enqueue_gradient<kSmallStage>
                                                           : enqueue_gradient<kLargeStage>;
    return enqueue(context, shape, matrix(dy, context), matrix(x, context), accumulate, matrix(dx, context));
  });
}

}  // namespace prerank::cuda
