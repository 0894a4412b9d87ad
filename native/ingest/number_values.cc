#include "ingest/number_values.h"

#include <algorithm>
#include <cstring>

namespace prerank::ingest {

bool is_integer(Physical type) { return type >= Physical::kInt8 && type <= Physical::kUint64; }

bool is_number(Physical type) { return type <= Physical::kDouble; }

void read_doubles(const Elements& elements, double* out) {
  const size_t count = elements.count;
  with_numbers(*elements.view, [&](const auto* values) {
    if (elements.rows == nullptr) {
      const auto* const first = values + elements.from;
      for (size_t i = 0; i < count; ++i) out[i] = static_cast<double>(first[i]);
    } else {
      const uint32_t* const rows = elements.rows;
      for (size_t i = 0; i < count; ++i) out[i] = static_cast<double>(values[rows[i]]);
    }
  });
}

uint64_t row_number(const VectorView& rows, size_t row) {
  uint64_t number = 0;
  with_numbers(rows, [&](const auto* values) { number = static_cast<uint64_t>(values[row]) + 1; });
  return number;
}

bool has_nulls(const VectorView& view, size_t from, size_t count) {
  if (view.validity == nullptr) return false;
  const size_t end = from + count;
  size_t row = from;
  while (row < end) {
    const size_t bit = row % 64;
    const size_t bits = std::min<size_t>(64 - bit, end - row);
    const uint64_t mask = (bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1) << bit;
    if ((view.validity[row / 64] & mask) != mask) return true;
    row += bits;
  }
  return false;
}

size_t expand_validity(const Elements& elements, uint8_t* valid) {
  const uint64_t* const words = elements.view->validity;
  const size_t count = elements.count;
  if (words == nullptr) {
    std::memset(valid, 1, count);
    return 0;
  }
  size_t sum = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t row = elements.row(i);
    valid[i] = (words[row / 64] >> (row % 64)) & 1;
    sum += valid[i];
  }
  return count - sum;
}

}  // namespace prerank::ingest
