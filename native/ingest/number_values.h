// Reading vectors of any numeric type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "ingest/kept_rows.h"
#include "ingest/row_block.h"

namespace prerank::ingest {

// Numbers beyond it have no float32.
inline constexpr double kLargestFloat = std::numeric_limits<float>::max();

bool is_integer(Physical type);
bool is_number(Physical type);  // integers, floats and booleans

// Calls f with the vector's values as a typed pointer (booleans as uint8_t); calls nothing when they are no numbers.
template <class F>
void with_numbers(const VectorView& view, F&& f) {
  switch (view.type) {
    case Physical::kBool:
    case Physical::kUint8:
      return f(static_cast<const uint8_t*>(view.data));
    case Physical::kInt8:
      return f(static_cast<const int8_t*>(view.data));
    case Physical::kInt16:
      return f(static_cast<const int16_t*>(view.data));
    case Physical::kInt32:
      return f(static_cast<const int32_t*>(view.data));
    case Physical::kInt64:
      return f(static_cast<const int64_t*>(view.data));
    case Physical::kUint16:
      return f(static_cast<const uint16_t*>(view.data));
    case Physical::kUint32:
      return f(static_cast<const uint32_t*>(view.data));
    case Physical::kUint64:
      return f(static_cast<const uint64_t*>(view.data));
    case Physical::kFloat:
      return f(static_cast<const float*>(view.data));
    case Physical::kDouble:
      return f(static_cast<const double*>(view.data));
    case Physical::kString:
    case Physical::kList:
      return;
  }
}

// Copies the elements as float64.
void read_doubles(const Elements& elements, double* out);

// The number of a row within its file, from 1: `rows` counts from 0.
uint64_t row_number(const VectorView& rows, size_t row);

// Whether one of the rows [from, from + count) is null.
bool has_nulls(const VectorView& view, size_t from, size_t count);

// valid[i] = 1 where element i is no null, else 0; returns how many are null.
size_t expand_validity(const Elements& elements, uint8_t* valid);

}  // namespace prerank::ingest
