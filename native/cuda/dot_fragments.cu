// A warp takes the rows of a tile, kFragmentRows vectors of a row to a group of fragments. What a lane reads of x is
// its part of a fragment at once, so that x goes from memory to registers, each byte once; only the pairs pass through
// shared memory.
#include "cuda/dot_fragments.h"

#include "cuda/matrix_fragments.h"
#include "cuda/pack.h"

namespace prerank::cuda {
namespace {

constexpr unsigned int kDotWarps = 4;             // of a block
constexpr unsigned int kDotFragmentColumns = 32;  // of x at a time: a cache line of each vector
// Of more, registers hold neither a whole line nor all factors of a gradient.
constexpr unsigned int kMaxKeptGroups = 4;
constexpr unsigned int kDotSlots = kDotFragmentColumns / 4;

__host__ __device__ constexpr unsigned int pairs_below(unsigned int i) { return i * (i - 1) / 2; }

// Of rows of up to 8 * kGroups vectors: as many rows at a time as keep eight of a lane's loads of four floats in
// flight.
template <unsigned int kGroups, bool kPacks>
struct DotTile {
  static constexpr unsigned int kRows = kPacks && kGroups < 3 ? 4 / kGroups : 1;
  static constexpr unsigned int kPairs = pairs_below(kGroups * kFragmentRows);
  // Of a multiprocessor at least, which leaves a thread 128, 168 or 255 registers.
  static constexpr unsigned int kBlocksAtOnce = kGroups > 6                ? 2
                                                : kGroups > kMaxKeptGroups ? (kPacks ? 3 : 2)
                                                                           : (kPacks ? 4 : 3);
};

template <unsigned int kGroups>
inline constexpr unsigned int kDotBlocks = (kGroups + 1) / 2;  // of 16 vectors

// A warp's place among those of the grid, and a lane's in its warp.
struct DotLane {
  unsigned int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  unsigned int group = lane / kFragmentGroup, member = lane % kFragmentGroup;
  size_t first = size_t{blockIdx.x} * kDotWarps + warp, step = size_t{gridDim.x} * kDotWarps;  // in tiles
};

// The four columns of a slot, of eight that share a line's columns from `from` on: next to each other where a lane
// moves them at once, else those of one number next to each other.
template <bool kPacks>
__device__ __forceinline__ unsigned int dot_column(unsigned int from, unsigned int slot, unsigned int q) {
  return from + (kPacks ? slot * 4 + q : slot + q * kDotSlots);
}

// Four columns of a vector that may not be there: then, and from dim on, 0.
template <bool kPacks>
__device__ __forceinline__ Pack<4> load_slot(const float* vector, bool there, unsigned int from, unsigned int slot,
                                             unsigned int dim) {
  Pack<4> four = {};
  if constexpr (kPacks) {
    const unsigned int column = dot_column<kPacks>(from, slot, 0);
    if (there && column < dim) four = load_pack<4>(vector + column);
  } else {
    PRERANK_UNROLL
    for (unsigned int q = 0; q < 4; ++q) {
      const unsigned int column = dot_column<kPacks>(from, slot, q);
      if (there && column < dim) four.v[q] = vector[column];
    }
  }
  return four;
}

template <bool kPacks>
__device__ __forceinline__ void store_slot(float* vector, unsigned int from, unsigned int slot, unsigned int dim,
                                           bool accumulate, Pack<4> four) {
  if (accumulate) four = four + load_slot<kPacks>(vector, true, from, slot, dim);
  if constexpr (kPacks) {
    const unsigned int column = dot_column<kPacks>(from, slot, 0);
    if (column < dim) store_pack(vector + column, four);
  } else {
    PRERANK_UNROLL
    for (unsigned int q = 0; q < 4; ++q) {
      const unsigned int column = dot_column<kPacks>(from, slot, q);
      if (column < dim) vector[column] = four.v[q];
    }
  }
}

// A row's part of T T^T: block b of 16 vectors with group h of 8.
template <unsigned int kGroups>
using DotSums = FragmentSums[kDotBlocks<kGroups>][kGroups];

// Adds the products over 16 columns, of which a lane holds four for a vector of each group.
template <MatmulPrecision kPrecision, unsigned int kGroups>
__device__ __forceinline__ void add_dots(const Pack<4> (&x)[kGroups], DotSums<kGroups>& sums) {
  Rounded<kPrecision> of[kDotBlocks<kGroups> * 2] = {};
  PRERANK_UNROLL
  for (unsigned int h = 0; h < kGroups; ++h) of[h] = rounded<kPrecision>(x[h]);
  PRERANK_UNROLL
  for (unsigned int b = 0; b < kDotBlocks<kGroups>; ++b) {
    PRERANK_UNROLL
    for (unsigned int h = 0; h < kGroups && h < 2 * b + 2; ++h) {
      add_product(sums[b][h], of[2 * b], of[2 * b + 1], of[h]);
    }
  }
}

// The pairs below the diagonal to their places.
template <unsigned int kGroups>
__device__ __forceinline__ void stage_dots(const DotLane& at, const DotSums<kGroups>& sums, float* pairs) {
  PRERANK_UNROLL
  for (unsigned int b = 0; b < kDotBlocks<kGroups>; ++b) {
    PRERANK_UNROLL
    for (unsigned int h = 0; h < kGroups && h < 2 * b + 2; ++h) {
      PRERANK_UNROLL
      for (unsigned int n = 0; n < 4; ++n) {
        if (2 * b + n / 2 >= kGroups || h > 2 * b + n / 2) continue;
        const unsigned int i = (2 * b + n / 2) * kFragmentRows + at.group;
        const unsigned int j = h * kFragmentRows + at.member * 2 + n % 2;
        if (j < i) pairs[pairs_below(i) + j] = sums[b][h].of[n];
      }
    }
  }
}

template <MatmulPrecision kPrecision, unsigned int kGroups, bool kPacks>
__global__ void __launch_bounds__(kDotWarps * 32, DotTile<kGroups, kPacks>::kBlocksAtOnce)
    multiply_dot_fragments(size_t rows, DotVectors vectors, Matrix x, Matrix y) {
  using Tile = DotTile<kGroups, kPacks>;
  constexpr unsigned int kHalves = kGroups > kMaxKeptGroups ? 1 : 2;  // of a line at a time
  __shared__ float stage[kDotWarps][Tile::kRows][Tile::kPairs];
  const DotLane at;
  const unsigned int pairs = pairs_below(vectors.features);
  for (size_t first = at.first * Tile::kRows; first < rows; first += at.step * Tile::kRows) {
    DotSums<kGroups> sums[Tile::kRows] = {};
    for (unsigned int from = 0; from < vectors.dim; from += kDotFragmentColumns) {
      PRERANK_UNROLL
      for (unsigned int half = 0; half < 2; half += kHalves) {
        Pack<4> loaded[Tile::kRows][kHalves][kGroups];
        PRERANK_UNROLL
        for (unsigned int r = 0; r < Tile::kRows; ++r) {
          PRERANK_UNROLL
          for (unsigned int h = 0; h < kGroups; ++h) {
            const unsigned int i = h * kFragmentRows + at.group;
            const float* const vector = &x.at(first + r, size_t{i} * vectors.dim);
            const bool there = first + r < rows && i < vectors.features;
            PRERANK_UNROLL
            for (unsigned int n = 0; n < kHalves; ++n) {
              const unsigned int slot = at.member + (half + n) * kFragmentGroup;
              loaded[r][n][h] = load_slot<kPacks>(vector, there, from, slot, vectors.dim);
            }
          }
        }
        PRERANK_UNROLL
        for (unsigned int r = 0; r < Tile::kRows; ++r) {
          PRERANK_UNROLL
          for (unsigned int n = 0; n < kHalves; ++n) add_dots<kPrecision, kGroups>(loaded[r][n], sums[r]);
        }
      }
    }
    __syncwarp();  // the tile before has been read
    PRERANK_UNROLL
    for (unsigned int r = 0; r < Tile::kRows; ++r) stage_dots<kGroups>(at, sums[r], stage[at.warp][r]);
    __syncwarp();
    for (unsigned int r = 0; r < Tile::kRows && first + r < rows; ++r) {
      for (unsigned int p = at.lane; p < pairs; p += 32) y.at(first + r, p) = stage[at.warp][r][p];
    }
  }
}

// What a lane takes of S = G + G^T for a block of 16 vectors: of one above and one below, every four others that of its
// number.
template <MatmulPrecision kPrecision, unsigned int kGroups>
using DotFactors = Rounded<kPrecision>[2][kDotBlocks<kGroups>];

// Element (i, j) of S with i in group h and j = from + member. Pairs of vectors that are not there are 0.
__device__ __forceinline__ float dot_factor(const DotLane& at, unsigned int h, unsigned int from, const float* pairs) {
  const unsigned int i = h * kFragmentRows + at.group, j = from + at.member;
  if (from + kFragmentGroup <= h * kFragmentRows) return pairs[pairs_below(i) + j];
  if (from >= (h + 1) * kFragmentRows) return pairs[pairs_below(j) + i];
  return i == j ? 0.0f : i > j ? pairs[pairs_below(i) + j] : pairs[pairs_below(j) + i];
}

template <MatmulPrecision kPrecision, unsigned int kGroups>
__device__ __forceinline__ void load_factors(const DotLane& at, unsigned int block, const float* pairs,
                                             DotFactors<kPrecision, kGroups>& factors) {
  PRERANK_UNROLL
  for (unsigned int h = 2 * block; h < 2 * block + 2 && h < kGroups; ++h) {
    PRERANK_UNROLL
    for (unsigned int s = 0; s < kDotBlocks<kGroups>; ++s) {
      Pack<4> four = {};
      PRERANK_UNROLL
      for (unsigned int q = 0; q < 4; ++q) {
        const unsigned int from = s * kFragmentDepth + q * kFragmentGroup;
        if (from < kGroups * kFragmentRows) four.v[q] = dot_factor(at, h, from, pairs);
      }
      factors[h % 2][s] = rounded<kPrecision>(four);
    }
  }
}

// Sums of a block of 16 vectors, from the four columns of others that a lane holds.
template <MatmulPrecision kPrecision, unsigned int kGroups>
__device__ __forceinline__ void multiply_factors(const DotFactors<kPrecision, kGroups>& factors,
                                                 const Rounded<kPrecision> (&columns)[4][kDotBlocks<kGroups>],
                                                 FragmentSums (&sums)[4]) {
  PRERANK_UNROLL
  for (unsigned int s = 0; s < kDotBlocks<kGroups>; ++s) {
    PRERANK_UNROLL
    for (unsigned int q = 0; q < 4; ++q) add_product(sums[q], factors[0][s], factors[1][s], columns[q][s]);
  }
}

// Reads dy and x once and writes (or adds to) dx once. Of every fourth vector a lane reads a slot, whose four columns
// go to four fragments. A fragment's columns 2 m are slots m and its columns 2 m + 1 slots m + 4, so that member m
// holds of the four sums a slot of each half of the line.
template <MatmulPrecision kPrecision, unsigned int kGroups, bool kPacks>
__global__ void __launch_bounds__(kDotWarps * 32, DotTile<kGroups, kPacks>::kBlocksAtOnce)
    multiply_dot_gradient(size_t rows, DotVectors vectors, Matrix dy, Matrix x, bool accumulate, Matrix dx) {
  using Tile = DotTile<kGroups, kPacks>;
  constexpr unsigned int kFours = kDotBlocks<kGroups> * 4;  // of vectors, with those that are never there
  constexpr bool kKeeps = kGroups <= kMaxKeptGroups;  // the factors of all blocks, else of one after the other
  __shared__ float stage[kDotWarps][Tile::kRows][Tile::kPairs];
  const DotLane at;
  const unsigned int pairs = pairs_below(vectors.features), dim = vectors.dim;
  const unsigned int slot = at.group % 2 * kFragmentGroup + at.group / 2;
  PRERANK_UNROLL
  for (unsigned int r = 0; r < Tile::kRows; ++r) {
    for (unsigned int p = pairs + at.lane; p < Tile::kPairs; p += 32) stage[at.warp][r][p] = 0;
  }
  for (size_t first = at.first * Tile::kRows; first < rows; first += at.step * Tile::kRows) {
    __syncwarp();  // the tile before has been read
    for (unsigned int r = 0; r < Tile::kRows && first + r < rows; ++r) {
      for (unsigned int p = at.lane; p < pairs; p += 32) stage[at.warp][r][p] = dy.at(first + r, p);
    }
    __syncwarp();
    DotFactors<kPrecision, kGroups> factors[Tile::kRows][kKeeps ? kDotBlocks<kGroups> : 1] = {};
    PRERANK_UNROLL
    for (unsigned int r = 0; kKeeps && r < Tile::kRows; ++r) {
      PRERANK_UNROLL
      for (unsigned int b = 0; b < kDotBlocks<kGroups>; ++b) {
        load_factors<kPrecision, kGroups>(at, b, stage[at.warp][r], factors[r][b]);
      }
    }
    for (unsigned int from = 0; from < dim; from += kDotFragmentColumns) {
      Pack<4> loaded[Tile::kRows][kFours] = {};
      PRERANK_UNROLL
      for (unsigned int r = 0; r < Tile::kRows; ++r) {
        PRERANK_UNROLL
        for (unsigned int u = 0; u < 2 * kGroups; ++u) {
          const unsigned int j = u * kFragmentGroup + at.member;
          loaded[r][u] = load_slot<kPacks>(&x.at(first + r, size_t{j} * dim),
                                           first + r < rows && j < vectors.features, from, slot, dim);
        }
      }
      PRERANK_UNROLL
      for (unsigned int r = 0; r < Tile::kRows; ++r) {
        Rounded<kPrecision> columns[4][kDotBlocks<kGroups>];
        PRERANK_UNROLL
        for (unsigned int s = 0; s < kDotBlocks<kGroups>; ++s) {
          const Pack<4>* const u = loaded[r] + 4 * s;
          PRERANK_UNROLL
          for (unsigned int q = 0; q < 4; ++q) {
            columns[q][s] = rounded<kPrecision>(u[0].v[q], u[1].v[q], u[2].v[q], u[3].v[q]);
          }
        }
        PRERANK_UNROLL
        for (unsigned int b = 0; b < kDotBlocks<kGroups>; ++b) {
          FragmentSums sums[4] = {};
          if constexpr (!kKeeps) load_factors<kPrecision, kGroups>(at, b, stage[at.warp][r], factors[r][0]);
          multiply_factors<kPrecision, kGroups>(factors[r][kKeeps ? b : 0], columns, sums);
          PRERANK_UNROLL
          for (unsigned int n = 0; n < 4; ++n) {
            const unsigned int i = b * 2 * kFragmentRows + n / 2 * kFragmentRows + at.group;
            if (first + r >= rows || i >= vectors.features) continue;
            store_slot<kPacks>(&dx.at(first + r, size_t{i} * dim), from, n % 2 * kFragmentGroup + at.member, dim,
                               accumulate, {{sums[0].of[n], sums[1].of[n], sums[2].of[n], sums[3].of[n]}});
          }
        }
      }
    }
  }
}

template <unsigned int kGroups, bool kPacks>
unsigned int dot_blocks(size_t rows) {
  return blocks_for(rows, kDotWarps * DotTile<kGroups, kPacks>::kRows);
}

// `run.template operator()<kPrecision, kGroups, kPacks>()` of the kernel for these vectors.
template <MatmulPrecision kPrecision, bool kPacks, class Run>
Status with_groups(unsigned int features, const Run& run) {
  static_assert(kMaxFragmentFeatures == 8 * kFragmentRows);
  switch ((features + kFragmentRows - 1) / kFragmentRows) {
    case 1: return run.template operator()<kPrecision, 1, kPacks>();
    case 2: return run.template operator()<kPrecision, 2, kPacks>();
    case 3: return run.template operator()<kPrecision, 3, kPacks>();
    case 4: return run.template operator()<kPrecision, 4, kPacks>();
    case 5:
    case 6: return run.template operator()<kPrecision, 6, kPacks>();
    default: return run.template operator()<kPrecision, 8, kPacks>();
  }
}
template <class Run>
Status with_kernel(MatmulPrecision precision, unsigned int features, bool packs, const Run& run) {
  if (precision == MatmulPrecision::kTf32) {
    return packs ? with_groups<MatmulPrecision::kTf32, true>(features, run)
                 : with_groups<MatmulPrecision::kTf32, false>(features, run);
  }
  return packs ? with_groups<MatmulPrecision::kBfloat16, true>(features, run)
               : with_groups<MatmulPrecision::kBfloat16, false>(features, run);
}

}  // namespace

Status enqueue_dot_fragments(cudaStream_t stream, MatmulPrecision precision, size_t rows, const DotVectors& vectors,
                             const Matrix& x, const Matrix& y) {
  if (rows == 0) return {};
  const bool packs = vectors.dim % 4 == 0 && rows_take_packs(x.data, x.stride);
  const auto run = [&]<MatmulPrecision kPrecision, unsigned int kGroups, bool kPacks>() {
    return launch(stream, dot_blocks<kGroups, kPacks>(rows), kDotWarps * 32,
                  multiply_dot_fragments<kPrecision, kGroups, kPacks>, rows, vectors, x, y);
  };
  return with_kernel(precision, vectors.features, packs, run);
}

Status enqueue_dot_fragments_grad(cudaStream_t stream, MatmulPrecision precision, size_t rows,
                                  const DotVectors& vectors, const Matrix& dy, const Matrix& x, bool accumulate,
                                  const Matrix& dx) {
  if (rows == 0) return {};
  const bool packs =
      vectors.dim % 4 == 0 && rows_take_packs(x.data, x.stride) && rows_take_packs(dx.data, dx.stride);
  const auto run = [&]<MatmulPrecision kPrecision, unsigned int kGroups, bool kPacks>() {
    return launch(stream, dot_blocks<kGroups, kPacks>(rows), kDotWarps * 32,
                  multiply_dot_gradient<kPrecision, kGroups, kPacks>, rows, vectors, dy, x, accumulate, dx);
  };
  return with_kernel(precision, vectors.features, packs, run);
}

}  // namespace prerank::cuda
