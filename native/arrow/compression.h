// Decompression of the buffers of a record batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "prerank/status.h"

namespace prerank::arrow {

enum class Codec : uint8_t { kNone, kLz4Frame, kZstd };

// Whether so many compressed bytes can become so many: refuses absurd lengths before memory is taken for them.
Status check_expansion(Codec codec, std::span<const std::byte> compressed, uint64_t bytes);

// Fills `out` exactly; errors say what is wrong, not where.
Status decompress(Codec codec, std::span<const std::byte> compressed, std::span<std::byte> out);

}  // namespace prerank::arrow
