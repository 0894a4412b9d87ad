// What a step does about the slots of a pool before its operations: rows of the batch that have a slot are stamped, those
// that have none get one, of those least recently used, and are fetched; what lay there goes back to its table. Rows for
// which no slot is left, since the batch uses all, stay in their tables.
//
// A step looks at kLookedAt slots for each that it wants, going round, and takes those that were used longest ago: exactly
// the least recently used of a pool of fewer slots, and nearly those of a larger one, at a cost that does not depend on it.
// Equal ages are taken in the order of slots, so that the same batches give the same slots.
//
// Bytes, beside those of rows that come and go: per entry of the batch 4 (key), per distinct row 4 (its slot, of 32 that
// are moved) and 4 (stamp); per slot wanted 12 kLookedAt (stamps), and per row that comes 48.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "cuda/cached_rows.h"
#include "cuda/sparse_passes.h"

namespace prerank::cuda {

inline constexpr uint32_t kScanEntries = 1024;  // of one table, which a block takes
inline constexpr uint32_t kLookedAt = 16;

// Scratch for the rows of a batch that have no slot.
struct MissingRows {
  uint32_t* rows = nullptr;   // kScanEntries places for each scan, of which the first ones are taken
  uint32_t* first = nullptr;  // how many rows come before those of each scan; one more: all
  uint32_t* slots = nullptr;  // that were chosen
  size_t scans = 0;           // of the largest batch so far: for the launch
};

// Chooses slots for the rows without one.
Status enqueue_choice(cudaStream_t stream, const SparsePass& pass, const SlotPool& pool, const MissingRows& missing);
// Moves rows out of and into them.
Status enqueue_moves(cudaStream_t stream, const SparsePass& pass, const SlotPool& pool, const MissingRows& missing);

// Writes to the host what it does not have yet. Nothing else may work on the pool.
Status enqueue_flush(cudaStream_t stream, const SlotPool& pool);
// Leaves all slots empty, and no row with one. Counts stay.
Status enqueue_reset(cudaStream_t stream, const SlotPool& pool);

}  // namespace prerank::cuda
