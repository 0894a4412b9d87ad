// XXH64 of Yann Collet's xxHash: the hash behind hashed vocabularies and parameter initialisation.
#pragma once

#include <cstddef>
#include <cstdint>

namespace prerank {

uint64_t xxh64(const void* data, size_t bytes, uint64_t seed = 0);

}  // namespace prerank
