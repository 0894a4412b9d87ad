// Which rows of a batch have no slot, and which slots they get (cache_passes.h).
#include <algorithm>

#include "cuda/block_prefix.h"
#include "cuda/block_sum.h"
#include "cuda/cache_passes.h"
#include "cuda/launch.h"
#include "cuda/sparse_rows.h"

namespace prerank::cuda {
namespace {

constexpr uint32_t kScanRounds = kScanEntries / kBlockThreads;
constexpr uint32_t kLookRounds = kLookedSlots / kBlockThreads;
static_assert(kScanEntries % kBlockThreads == 0 && kLookedSlots % kBlockThreads == 0);

// A block takes kScanEntries of a table: stamps the slots of the rows that begin there and lists those without.
__global__ void __launch_bounds__(kBlockThreads)
    find_missing_rows(SparsePass pass, SlotPool pool, MissingRows missing) {
  const uint32_t scans = pass.chunks[pass.tables].first_scan;
  const uint32_t now = pool.state->clock + 1;
  for (uint32_t scan = blockIdx.x; scan < scans; scan += gridDim.x) {
    const uint32_t t = table_with<&TableChunks::first_scan>(pass, scan);
    const SparseTable& table = pass.table[t];
    uint32_t* const slots = table.cached->slots;
    const uint32_t begin = pass.chunks[t].first_entry, end = pass.chunks[t + 1].first_entry;
    const uint64_t from = uint64_t{begin} + uint64_t{scan - pass.chunks[t].first_scan} * kScanEntries;
    const bool ours = table.cached->pool == pool.number;
    uint32_t found = 0, listed = 0;
    for (uint32_t round = 0; ours && round < kScanRounds; ++round) {
      const uint64_t at = from + round * kBlockThreads + threadIdx.x;
      const auto entry = static_cast<uint32_t>(at);
      bool is_missing = false;
      uint32_t row = 0;
      if (at < end) {
        row = row_of_entry(pass.entries, table, entry);
        if (entry == begin || row_of_entry(pass.entries, table, entry - 1) != row) {
          const uint32_t slot = slots[row];
          is_missing = slot == kNoSlot;
          if (!is_missing) pool.stamps[slot] = now;
          ++found;
        }
      }
      const BlockPrefix place = block_prefix(is_missing ? 1 : 0);
      if (is_missing) missing.rows[size_t{scan} * kScanEntries + listed + place.before] = row;
      listed += place.total;
    }
    found = block_sum(found);
    if (threadIdx.x == 0) {
      missing.first[scan] = listed;
      // Of integers: no order.
      atomicAdd(reinterpret_cast<unsigned long long*>(&pool.state->counts.used),
                static_cast<unsigned long long>(found));
    }
  }
}

// Counts give way to the sums of those before them; returns the sum of all. One block.
__device__ uint32_t sum_before(uint32_t* counts, uint32_t number) {
  uint32_t sum = 0;
  for (uint32_t first = 0; first < number; first += blockDim.x) {
    const uint32_t i = first + threadIdx.x;
    const BlockPrefix prefix = block_prefix(i < number ? counts[i] : 0);
    if (i < number) counts[i] = sum + prefix.before;
    sum += prefix.total;
  }
  return sum;
}

// One block. Fresh slots first; where those are used up, so many are looked at.
__global__ void __launch_bounds__(kAges) plan_slots(SparsePass pass, SlotPool pool, MissingRows missing) {
  const uint32_t scans = pass.chunks[pass.tables].first_scan;
  const uint32_t count = sum_before(missing.first, scans);
  pool.ages[threadIdx.x] = 0;
  if (threadIdx.x != 0) return;
  missing.first[scans] = count;
  CacheState state = *pool.state;
  ++state.clock;
  state.counts.missing += count;
  const uint32_t left = pool.capacity - state.used;
  state.first_fresh = state.used;
  state.fresh = count < left ? count : left;
  state.used += state.fresh;
  state.wanted = count - state.fresh;
  const uint64_t looked = uint64_t{state.wanted} * kLookedAt;
  state.looked = looked < pool.capacity ? static_cast<uint32_t>(looked) : pool.capacity;
  state.first_looked = state.hand;
  state.hand = static_cast<uint32_t>((uint64_t{state.hand} + state.looked) % pool.capacity);
  state.chosen = 0;
  *pool.state = state;
}

__device__ uint32_t slot_looked_at(const SlotPool& pool, const CacheState& state, uint32_t i) {
  const uint64_t slot = uint64_t{state.first_looked} + i;
  return static_cast<uint32_t>(slot < pool.capacity ? slot : slot - pool.capacity);
}

// 0: the batch uses it, or has just been given it.
__device__ uint32_t age_of_slot(const SlotPool& pool, const CacheState& state, uint32_t slot) {
  if (slot >= state.first_fresh) return 0;
  const uint32_t age = state.clock - pool.stamps[slot];
  return age < kAges ? age : kAges - 1;
}

__global__ void __launch_bounds__(kBlockThreads) count_ages(SlotPool pool) {
  __shared__ uint32_t ages[kAges];
  const CacheState state = *pool.state;
  if (state.wanted == 0) return;
  for (uint32_t age = threadIdx.x; age < kAges; age += kBlockThreads) ages[age] = 0;
  __syncthreads();
  for (size_t i = first_item(); i < state.looked; i += item_stride()) {
    atomicAdd(&ages[age_of_slot(pool, state, slot_looked_at(pool, state, static_cast<uint32_t>(i)))], 1u);
  }
  __syncthreads();
  for (uint32_t age = threadIdx.x; age < kAges; age += kBlockThreads) {
    if (ages[age] > 0) atomicAdd(&pool.ages[age], ages[age]);
  }
}

// One block, a thread an age, the oldest first: at which of them there are as many slots as wanted.
__global__ void __launch_bounds__(kAges) choose_age(SlotPool pool) {
  const uint32_t wanted = pool.state->wanted;
  if (wanted == 0) return;
  const uint32_t age = kAges - 1 - threadIdx.x;
  const uint32_t count = age > 0 ? pool.ages[age] : 0;
  const BlockPrefix older = block_prefix(count);
  const bool enough = older.total >= wanted;
  if (!enough && age == 0) {
    pool.state->age = 0;
    pool.state->of_age = 0;
  }
  if (enough && older.before < wanted && older.before + count >= wanted) {
    pool.state->age = age;
    pool.state->of_age = wanted - older.before;
  }
}

// A slot that may be taken: of an older age than the chosen one, or of just that.
struct IdleSlot {
  uint32_t slot;
  bool older, of_age;
};
__device__ IdleSlot idle_slot(const SlotPool& pool, const CacheState& state, uint64_t i) {
  if (i >= state.looked) return {0, false, false};
  const uint32_t slot = slot_looked_at(pool, state, static_cast<uint32_t>(i)), age = age_of_slot(pool, state, slot);
  return {slot, age > state.age, age == state.age && age > 0};
}

__device__ uint32_t looks_of(const CacheState& state) {
  return state.wanted == 0 ? 0 : (state.looked + kLookedSlots - 1) / kLookedSlots;
}

__global__ void __launch_bounds__(kBlockThreads) count_idle_slots(SlotPool pool) {
  const CacheState state = *pool.state;
  for (uint32_t look = blockIdx.x; look < looks_of(state); look += gridDim.x) {
    IdleSlots idle;
    for (uint32_t round = 0; round < kLookRounds; ++round) {
      const IdleSlot slot = idle_slot(pool, state, uint64_t{look} * kLookedSlots + round * kBlockThreads + threadIdx.x);
      idle.older += slot.older ? 1 : 0;
      idle.of_age += slot.of_age ? 1 : 0;
    }
    idle.older = block_sum(idle.older);
    idle.of_age = block_sum(idle.of_age);
    if (threadIdx.x == 0) pool.idle[look] = idle;
  }
}

// One block.
__global__ void __launch_bounds__(kAges) rank_idle_slots(SlotPool pool) {
  const uint32_t looks = looks_of(*pool.state);
  if (looks == 0) return;
  IdleSlots sum;
  for (uint32_t first = 0; first < looks; first += blockDim.x) {
    const uint32_t i = first + threadIdx.x;
    const IdleSlots idle = i < looks ? pool.idle[i] : IdleSlots();
    const BlockPrefix older = block_prefix(idle.older), of_age = block_prefix(idle.of_age);
    if (i < looks) pool.idle[i] = {sum.older + older.before, sum.of_age + of_age.before};
    sum.older += older.total;
    sum.of_age += of_age.total;
  }
  if (threadIdx.x != 0) return;
  CacheState& state = *pool.state;
  state.chosen = sum.older + state.of_age;
  state.counts.unplaced += state.wanted - state.chosen;
}

__global__ void __launch_bounds__(kBlockThreads) list_idle_slots(SlotPool pool, MissingRows missing) {
  const CacheState state = *pool.state;
  for (uint32_t look = blockIdx.x; look < looks_of(state); look += gridDim.x) {
    IdleSlots before = pool.idle[look];
    for (uint32_t round = 0; round < kLookRounds; ++round) {
      const IdleSlot slot = idle_slot(pool, state, uint64_t{look} * kLookedSlots + round * kBlockThreads + threadIdx.x);
      const BlockPrefix older = block_prefix(slot.older ? 1 : 0), of_age = block_prefix(slot.of_age ? 1 : 0);
      const uint32_t older_here = before.older + older.before, of_age_here = before.of_age + of_age.before;
      if (slot.older || (slot.of_age && of_age_here < state.of_age)) {
        missing.slots[older_here + (of_age_here < state.of_age ? of_age_here : state.of_age)] = slot.slot;
      }
      before.older += older.total;
      before.of_age += of_age.total;
    }
  }
}

}  // namespace

Status enqueue_choice(cudaStream_t stream, const SparsePass& pass, const SlotPool& pool, const MissingRows& missing) {
  // As many slots as the largest batch so far could want; what is left is taken in further rounds.
  const size_t looked = std::min(size_t{pool.capacity}, missing.scans * kScanEntries * kLookedAt);
  const unsigned int looks = blocks_for(looked, kLookedSlots);
  PRERANK_RETURN_IF_ERROR(
      launch(stream, blocks_for(missing.scans, 1), kBlockThreads, find_missing_rows, pass, pool, missing));
  PRERANK_RETURN_IF_ERROR(launch(stream, 1, kAges, plan_slots, pass, pool, missing));
  PRERANK_RETURN_IF_ERROR(launch(stream, looks, kBlockThreads, count_ages, pool));
  PRERANK_RETURN_IF_ERROR(launch(stream, 1, kAges, choose_age, pool));
  PRERANK_RETURN_IF_ERROR(launch(stream, looks, kBlockThreads, count_idle_slots, pool));
  PRERANK_RETURN_IF_ERROR(launch(stream, 1, kAges, rank_idle_slots, pool));
  return launch(stream, looks, kBlockThreads, list_idle_slots, pool, missing);
}

}  // namespace prerank::cuda
