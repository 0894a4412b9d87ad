// Rows that come into the slots of a pool and go back to their tables (cache_passes.h). A row that comes is read over
// PCIe, weights and state, and one that changed since the host had it last is written.
#include "cuda/cache_passes.h"
#include "cuda/launch.h"
#include "cuda/share.h"
#include "cuda/sparse_rows.h"

namespace prerank::cuda {
namespace {

template <class T>
__device__ void copy_as(char* to, const char* from, uint32_t bytes, uint32_t lane) {
  for (uint32_t i = lane; i < bytes / sizeof(T); i += kWarpThreads) {
    reinterpret_cast<T*>(to)[i] = reinterpret_cast<const T*>(from)[i];
  }
}

// By the lanes of a warp. Rows follow each other from an aligned address on.
__device__ void copy_bytes(char* to, const char* from, uint32_t bytes, uint32_t lane) {
  if (bytes % sizeof(uint4) == 0) {
    copy_as<uint4>(to, from, bytes, lane);
  } else if (bytes % sizeof(uint32_t) == 0) {
    copy_as<uint32_t>(to, from, bytes, lane);
  } else {
    copy_as<uint16_t>(to, from, bytes, lane);
  }
}

__device__ void copy_of_array(void* to, uint32_t to_row, const void* from, uint32_t from_row, uint32_t bytes,
                              uint32_t lane) {
  copy_bytes(static_cast<char*>(to) + size_t{to_row} * bytes, static_cast<const char*>(from) + size_t{from_row} * bytes,
             bytes, lane);
}

// Weights and state.
__device__ void copy_row(const SlotPool& pool, const RowArrays& to, uint32_t to_row, const RowArrays& from,
                         uint32_t from_row, uint32_t lane) {
  copy_of_array(to.weights, to_row, from.weights, from_row, pool.weight_bytes, lane);
  copy_of_array(to.state0, to_row, from.state0, from_row, pool.state0_bytes, lane);
  copy_of_array(to.state1, to_row, from.state1, from_row, pool.state1_bytes, lane);
}

// What the host does not have yet of a slot's row.
__device__ void save_row(const SlotPool& pool, const SlotOwner& owner, uint32_t slot, uint32_t lane) {
  const CachedTable& table = pool.tables[owner.table];
  if (pool.stamps[slot] > pool.state->flushed) copy_row(pool, table.in_host, owner.row, table.in_slots, slot, lane);
}

// Resident on a multiprocessor, at least: without a number the compiler would rather spill than lose one more.
constexpr unsigned int kMoveBlocks = 4;

// A block takes the rows of a scan, a warp one at a time.
__global__ void __launch_bounds__(kBlockThreads, kMoveBlocks)
    place_rows(SparsePass pass, SlotPool pool, MissingRows missing) {
  const uint32_t scans = pass.chunks[pass.tables].first_scan;
  const uint32_t lane = threadIdx.x % kWarpThreads, warp = threadIdx.x / kWarpThreads;
  const CacheState state = *pool.state;
  for (uint32_t scan = blockIdx.x; scan < scans; scan += gridDim.x) {
    const uint32_t first = missing.first[scan], count = missing.first[scan + 1] - first;
    if (count == 0) continue;
    const CachedTable* const table = pass.table[table_with<&TableChunks::first_scan>(pass, scan)].cached;
    for (uint32_t i = warp; i < count; i += kBlockThreads / kWarpThreads) {
      const uint32_t number = first + i;
      if (number >= state.fresh + state.chosen) break;
      const uint32_t row = missing.rows[size_t{scan} * kScanEntries + i];
      const uint32_t slot =
          number < state.fresh ? state.first_fresh + number : missing.slots[number - state.fresh];
      const SlotOwner owner = pool.owners[slot];
      if (owner.table != kNoSlot) save_row(pool, owner, slot, lane);
      copy_row(pool, table->in_slots, slot, table->in_host, row, lane);
      __syncwarp();  // all have read what the first lane is about to write
      if (lane != 0) continue;
      if (owner.table != kNoSlot) pool.tables[owner.table].slots[owner.row] = kNoSlot;
      pool.owners[slot] = {static_cast<uint32_t>(table - pool.tables), row};
      pool.stamps[slot] = state.clock;
      table->slots[row] = slot;
    }
  }
}

__global__ void __launch_bounds__(kBlockThreads) save_slots(SlotPool pool) {
  const Share share = {5};
  for (size_t slot = share.first(); slot < pool.state->used; slot += share.step()) {
    const auto number = static_cast<uint32_t>(slot);
    const SlotOwner owner = pool.owners[number];
    if (owner.table != kNoSlot) save_row(pool, owner, number, share.lane());
  }
}

__global__ void mark_flushed(SlotPool pool) { pool.state->flushed = pool.state->clock; }

__global__ void __launch_bounds__(kBlockThreads) empty_slots(SlotPool pool) {
  for (size_t slot = first_item(); slot < pool.capacity; slot += item_stride()) {
    const SlotOwner owner = pool.owners[slot];
    if (owner.table != kNoSlot) pool.tables[owner.table].slots[owner.row] = kNoSlot;
    pool.owners[slot] = {};
    pool.stamps[slot] = 0;
  }
}

__global__ void begin_anew(SlotPool pool) {
  pool.state->used = 0;
  pool.state->hand = 0;
}

}  // namespace

Status enqueue_moves(cudaStream_t stream, const SparsePass& pass, const SlotPool& pool, const MissingRows& missing) {
  return launch(stream, blocks_for(missing.scans, 1), kBlockThreads, place_rows, pass, pool, missing);
}

Status enqueue_flush(cudaStream_t stream, const SlotPool& pool) {
  PRERANK_RETURN_IF_ERROR(launch(stream, blocks_for(pool.capacity, kBlockThreads / kWarpThreads), kBlockThreads,
                                 save_slots, pool));
  return launch(stream, 1, 1, mark_flushed, pool);
}

Status enqueue_reset(cudaStream_t stream, const SlotPool& pool) {
  PRERANK_RETURN_IF_ERROR(launch(stream, blocks_for(pool.capacity), kBlockThreads, empty_slots, pool));
  return launch(stream, 1, 1, begin_anew, pool);
}

}  // namespace prerank::cuda
