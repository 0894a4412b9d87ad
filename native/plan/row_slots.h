// Where the rows of a lazy table lie: one after the other in the order in which they are first looked up. So a table
// takes as much memory as it has rows in use, and rows that are looked up often lie together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/aligned_buffer.h"
#include "prerank/status.h"

namespace prerank {

// Slots count from 1; a table of n rows, fewer than 2^32, has slots up to n.
class RowSlots {
 public:
  static Result<RowSlots> create(size_t rows) {
    PRERANK_ASSIGN_OR_RETURN(AlignedBuffer slots, AlignedBuffer::allocate(rows * sizeof(uint32_t)));
    return RowSlots(std::move(slots));
  }

  // 0: none yet.
  uint32_t of(size_t row) const { return slots_.as<uint32_t>()[row]; }
  uint32_t add(size_t row) { return slots_.as<uint32_t>()[row] = ++used_; }
  size_t bytes() const { return slots_.bytes(); }

  // Slots of these rows. Calls draw(row, slot) for each that gets one now.
  template <class Draw>
  void find(std::span<const uint32_t> rows, uint32_t* slots, Draw&& draw) {
    const uint32_t* const known = slots_.as<uint32_t>().data();
    for (size_t i = 0; i < rows.size(); ++i) {
      if (i + kAhead < rows.size()) __builtin_prefetch(known + rows[i + kAhead]);
      uint32_t slot = known[rows[i]];
      if (slot == 0) {
        slot = add(rows[i]);
        draw(rows[i], slot);
      }
      slots[i] = slot;
    }
  }

 private:
  static constexpr size_t kAhead = 32;

  explicit RowSlots(AlignedBuffer slots) : slots_(std::move(slots)) {}

  AlignedBuffer slots_;  // a uint32_t per row
  uint32_t used_ = 0;
};

}  // namespace prerank
