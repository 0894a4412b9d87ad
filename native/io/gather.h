// Copies rows of mapped columns into contiguous batch memory.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>

#include "io/row_set.h"
#include "prerank/dataset.h"

namespace prerank {

// out[(i - begin) * stride] = column[rows[i]] for begin <= i < end.
template <class T>
void gather(const Column& column, const RowSet& rows, size_t begin, size_t end, T* out, size_t stride = 1) {
  if (begin >= end) return;
  const ColumnChunk* const chunks = column.chunks.data();
  if (rows.contiguous) {
    const T* const from = static_cast<const T*>(chunks[rows.chunk[0]].values) + rows.local[begin];
    if (stride == 1) {
      std::memcpy(out, from, (end - begin) * sizeof(T));
    } else {
      for (size_t i = 0; i < end - begin; ++i) out[i * stride] = from[i];
    }
  } else if (column.chunks.size() == 1) {
    const T* const values = static_cast<const T*>(chunks[0].values);
    for (size_t i = begin; i < end; ++i) out[(i - begin) * stride] = values[rows.local[i]];
  } else {
    for (size_t i = begin; i < end; ++i) {
      out[(i - begin) * stride] = static_cast<const T*>(chunks[rows.chunk[i]].values)[rows.local[i]];
    }
  }
}

template <class T>
void gather(const Column& column, const RowSet& rows, T* out) {
  gather(column, rows, 0, rows.size(), out);
}

// Offsets of the lists of `rows` from 0 (`offsets`: rows + 1), and where each begins in its chunk's values (`begins`:
// rows). Returns the number of values, or nothing when the lists no longer fit their values (the file has changed since
// it was checked) or are more than 2^32 - 1.
inline std::optional<size_t> gather_list_offsets(const Column& column, const RowSet& rows, uint32_t* offsets,
                                                 uint32_t* begins) {
  uint64_t total = 0;
  offsets[0] = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const ColumnChunk& chunk = column.chunks[rows.chunk[i]];
    const int64_t begin = chunk.offsets[rows.local[i]], end = chunk.offsets[rows.local[i] + 1];
    if (begin < 0 || begin > end || static_cast<size_t>(end) > chunk.value_count) return std::nullopt;
    total += static_cast<uint64_t>(end - begin);
    begins[i] = static_cast<uint32_t>(begin);
    offsets[i + 1] = static_cast<uint32_t>(total);
  }
  if (total > std::numeric_limits<uint32_t>::max()) return std::nullopt;
  return total;
}

// out[offsets[i], offsets[i + 1]) = the values of list i, which begins at begins[i].
template <class T>
void gather_list_values(const Column& column, const RowSet& rows, const uint32_t* offsets, const uint32_t* begins,
                        T* out) {
  for (size_t i = 0; i < rows.size(); ++i) {
    const T* const from = static_cast<const T*>(column.chunks[rows.chunk[i]].values) + begins[i];
    std::copy_n(from, offsets[i + 1] - offsets[i], out + offsets[i]);
  }
}

// Index of the first value that is NaN or infinite.
inline std::optional<size_t> first_nonfinite(std::span<const float> values) {
  constexpr uint32_t kExponent = 0x7f800000;
  uint32_t bad = 0;
  for (const float v : values) bad |= (std::bit_cast<uint32_t>(v) & kExponent) == kExponent ? 1u : 0u;
  if (bad == 0) return std::nullopt;
  for (size_t i = 0;; ++i) {
    if ((std::bit_cast<uint32_t>(values[i]) & kExponent) == kExponent) return i;
  }
}

// Index of the first id that is not below `limit`.
inline std::optional<size_t> first_beyond(std::span<const uint32_t> ids, uint64_t limit) {
  uint32_t largest = 0;
  for (const uint32_t id : ids) largest = std::max(largest, id);
  if (ids.empty() || largest < limit) return std::nullopt;
  for (size_t i = 0;; ++i) {
    if (ids[i] >= limit) return i;
  }
}

}  // namespace prerank
