// cub::DeviceRadixSort on the emulated device: a stable sort, queued like a kernel.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <type_traits>
#include <vector>

namespace cub {

struct DeviceRadixSort {
  // Sorts by bits [begin_bit, end_bit) of the keys. Without `storage` it only says how many bytes that needs.
  template <class Key, class Value, class Count>
  static cudaError_t SortPairs(void* storage, size_t& storage_bytes, const Key* keys_in, Key* keys_out,
                               const Value* values_in, Value* values_out, Count count, int begin_bit = 0,
                               int end_bit = sizeof(Key) * 8, cudaStream_t stream = nullptr) {
    static_assert(std::is_unsigned_v<Key>);
    const auto size = static_cast<size_t>(count);
    const size_t needed = 256 + size * (sizeof(Key) + sizeof(Value));
    if (storage == nullptr) {
      storage_bytes = needed;
      return cudaSuccess;
    }
    if (storage_bytes < needed || begin_bit < 0 || end_bit > static_cast<int>(sizeof(Key) * 8) || begin_bit > end_bit) {
      return cudaErrorInvalidValue;
    }
    const int bits = end_bit - begin_bit;
    const uint64_t mask = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
    return static_cast<cudaError_t>(prerank::emulator::enqueue(stream, [=] {
      std::vector<size_t> order(size);
      std::iota(order.begin(), order.end(), size_t{0});
      const auto digits = [&](size_t i) { return bits == 0 ? 0 : uint64_t{keys_in[i]} >> begin_bit & mask; };
      std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return digits(a) < digits(b); });
      for (size_t i = 0; i < size; ++i) {
        keys_out[i] = keys_in[order[i]];
        values_out[i] = values_in[order[i]];
      }
    }));
  }
};

}  // namespace cub
