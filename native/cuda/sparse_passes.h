// The passes over a batch's table index that sum the gradients of table rows and apply them (sparse_update.h): what
// they read from the device, and their launches.
//
// Sorted entries are cut, table by table, into chunks of a fixed number. A group of lanes (row_lanes of the table's
// dim) takes a chunk, and a warp as many chunks of one table as it has groups. Rows of more than 128 columns are cut
// into slices of which each has a warp, unless the optimizer needs whole rows. A chunk's slice is a piece. A row that
// lies within a chunk is updated at once; a chunk's first and last row, where they go on in its neighbours, are summed
// into partials, and the group with the chunk where such a row begins adds them in their order afterwards. Neither
// chunks nor orders depend on the number of blocks.
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <bit>
#include <cstdint>

#include "cuda/cached_rows.h"
#include "cuda/kernel.h"
#include "cuda/table_index.h"
#include "prerank/parameter_store.h"

namespace prerank::cuda {

inline constexpr uint32_t kChunkEntries = 32;
inline constexpr uint32_t kMostLanes = 32;     // that share a row: a warp
inline constexpr int64_t kSliceColumns = 128;  // four a lane
inline constexpr int64_t kMostColumns = 1024;  // of a table: what a warp has registers for
// Slices that a warp takes at once, of rows that must not be cut: kernels are compiled for each.
inline constexpr std::array<uint32_t, 3> kRowBlocks = {1, 2, 8};

inline constexpr size_t kNormPart = 4096;  // pieces

// Lanes of a warp that share a row, with four columns each where that is enough.
inline uint32_t row_lanes(int64_t dim) {
  const uint64_t lanes = std::bit_ceil((static_cast<uint64_t>(dim) + 3) / 4);
  return static_cast<uint32_t>(lanes < kMostLanes ? lanes : kMostLanes);
}

struct SparseTable {
  RowArrays rows;
  const CachedTable* cached;  // null: no row has a slot elsewhere
  uint64_t first_key;  // of row 0
  uint64_t stream;     // of its rounding
  uint32_t dim;
  uint32_t lanes;
  uint32_t slices;
  uint32_t blocks;  // of kRowBlocks
  TableType type;
  uint32_t vector;  // addresses and widths allow 16 bytes at once
};

// Where a table's entries, pieces, warps, scans (of tables with cached rows, cache_passes.h) and partials of this batch
// begin: all tables' follow each other. Written as words of 64 bits.
struct TableChunks {
  uint32_t first_entry, first_piece;
  uint32_t first_warp, first_scan;
  uint64_t first_partial;  // floats
};

struct GradientRows {
  const float* base;
  uint64_t stride;
};

struct SparsePass {
  const SparseTable* table = nullptr;   // per table of the plan
  const TableChunks* chunks = nullptr;  // one more: the end
  uint32_t tables = 0;
  SortedEntries entries;
  const GradientRows* gradients = nullptr;  // per id input
  float* partials = nullptr;
  double* norms = nullptr;  // per piece
  const StepNumbers* numbers = nullptr;
  const StepResult* result = nullptr;
};

// Launch sizes; what is left is taken in further rounds.
struct SparseLaunch {
  SparseOptimizerKind kind = SparseOptimizerKind::kSgd;
  size_t warps = 0, pieces = 0;
  // Whether there are any, by the place of their blocks in kRowBlocks, by type and by vector.
  bool tables[kRowBlocks.size()][kTableTypes][2] = {};
};

Status enqueue_chunks(cudaStream_t stream, const SparseLaunch& size, const SparsePass& pass);
Status enqueue_merge(cudaStream_t stream, const SparseLaunch& size, const SparsePass& pass);
// The same two that only leave each piece's squared norm; then their sum, by way of one `part` for kNormPart pieces.
Status enqueue_chunk_norms(cudaStream_t stream, const SparseLaunch& size, const SparsePass& pass);
Status enqueue_merge_norms(cudaStream_t stream, const SparseLaunch& size, const SparsePass& pass);
Status enqueue_norm_sum(cudaStream_t stream, const SparseLaunch& size, const SparsePass& pass, double* parts,
                        double* out);

}  // namespace prerank::cuda
