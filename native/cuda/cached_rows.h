// Rows of tables in the host's memory of which the device holds a copy, as kernels see them. A table has a slot number for
// each of its rows; tables whose rows take the same bytes share the slots of a pool.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "prerank/program.h"

namespace prerank::cuda {

inline constexpr uint32_t kNoSlot = 0xffffffffu;

// Weights and optimizer state of the rows of a table, or of the slots of a pool; null where there are none.
struct RowArrays {
  void* weights = nullptr;
  float* state0 = nullptr;
  float* state1 = nullptr;
};

// A table in the host's memory. On the device, where programs find it before it has slots.
struct CachedTable {
  uint32_t* slots = nullptr;  // of each row, or kNoSlot; null: no row has one
  RowArrays in_slots, in_host;
  uint32_t pool = 0;
  uint32_t unused = 0;
};

// The row in a slot: a table, by its place in the store, and its row.
struct SlotOwner {
  uint32_t table = kNoSlot;  // kNoSlot: the slot is empty
  uint32_t row = 0;
};

// What a pool knows of its slots from step to step, and of the step under way. On the device.
struct CacheState {
  HostRows counts;
  uint32_t clock = 0;    // steps so far: the stamp of whatever the last one used
  uint32_t flushed = 0;  // the host has what rows with this stamp or an older one hold
  uint32_t used = 0;     // slots that ever had a row: the first ones
  uint32_t hand = 0;     // where the next step begins to look for slots
  // Of the step: slots never used before, the first and how many.
  uint32_t first_fresh = 0, fresh = 0;
  // How many others are wanted, and the slots, from `first_looked` on and round about, among which they are chosen.
  uint32_t wanted = 0, first_looked = 0, looked = 0;
  // Slots are chosen that were last used before `age` steps ago, and `of_age` of those used just then; `chosen` in all.
  uint32_t age = 0, of_age = 0, chosen = 0;
};

inline constexpr uint32_t kAges = 512;          // that are told apart: the last one stands for all above, too
inline constexpr uint32_t kLookedSlots = 1024;  // of which one block takes stock

// Slots of an older age than a step's, and of just that age: of some slots, or of all before them.
struct IdleSlots {
  uint32_t older = 0, of_age = 0;
};

// The slots of tables whose rows take the same bytes.
struct SlotPool {
  uint32_t number = 0;
  uint32_t capacity = 0;
  uint32_t weight_bytes = 0, state0_bytes = 0, state1_bytes = 0;  // of a row
  CacheState* state = nullptr;
  uint32_t* stamps = nullptr;  // per slot: the step that used it last; 0: none
  SlotOwner* owners = nullptr;
  const CachedTable* tables = nullptr;  // per parameter of the store
  // Scratch of a step: a histogram of kAges, and a count for each kLookedSlots that may be looked at.
  uint32_t* ages = nullptr;
  IdleSlots* idle = nullptr;
};

#if defined(__CUDACC__) || defined(PRERANK_EMULATED_DEVICE)

// Of a row, for kernels that do not change slots; kNoSlot where the row is in its table only.
__device__ inline uint32_t slot_of_row(const CachedTable* table, uint32_t row) {
  if (table == nullptr || table->slots == nullptr) return kNoSlot;
  return __ldg(table->slots + row);
}

#endif

}  // namespace prerank::cuda
