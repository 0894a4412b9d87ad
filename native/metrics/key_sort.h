// Sorts 64-bit keys in place, in parallel: a key and the row it belongs to take 8 bytes a row and nothing beside.
#pragma once

#include <cstdint>
#include <span>

#include "base/thread_pool.h"

namespace prerank {

constexpr uint64_t row_key(uint32_t key, uint32_t row) { return uint64_t{key} << 32 | row; }
constexpr uint32_t key_of(uint64_t row_key) { return static_cast<uint32_t>(row_key >> 32); }
constexpr uint32_t row_of(uint64_t row_key) { return static_cast<uint32_t>(row_key); }

// Ascending. Keys with their rows are distinct, so that the result does not depend on the number of threads.
void sort_keys(std::span<uint64_t> keys, ThreadPool& pool);

}  // namespace prerank
