#include "cuda/padded_size.h"

#include <algorithm>

namespace prerank::cuda {
namespace {

constexpr size_t kSizes = 8;            // between a capacity and its half
constexpr size_t kRowsPerRequest = 64;  // of which one request more costs nothing that counts

size_t in_steps(size_t count, size_t step, size_t most) { return std::min(most, (count + step - 1) / step * step); }

// The smallest of `capacity`, its half, the half of that, … that holds `count`.
size_t halved_capacity(size_t count, size_t capacity) {
  while (capacity > 1 && (capacity + 1) / 2 >= count) capacity = (capacity + 1) / 2;
  return capacity;
}

// Neighbouring sizes below `capacity`, a halved one, are so far apart.
size_t size_step(size_t capacity) { return std::max<size_t>(1, capacity / (2 * kSizes)); }

// least_step: between sizes, where that is more.
size_t padded_count(size_t count, size_t capacity, size_t least_step) {
  if (count == 0) return 0;
  const size_t most = halved_capacity(count, capacity), step = size_step(most);
  return step < least_step ? in_steps(count, least_step, capacity) : in_steps(count, step, most);
}

}  // namespace

BatchSize padded_size(const BatchSize& size, const BatchLimits& limits) {
  const size_t rows = padded_count(size.rows, limits.rows, 1);
  return {rows, padded_count(size.requests, limits.requests, rows / kRowsPerRequest)};
}

}  // namespace prerank::cuda
