// What embedding tables hold, and weights of any of these types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <variant>

#include "prerank/bfloat16.h"
#include "prerank/float16.h"

namespace prerank {

// Tensors that are read or written are float32 all the same: 16 bits go there and back unchanged.
enum class TableType : uint8_t { kFloat32, kBfloat16, kFloat16 };

// The address of the first, null where there are none. In the order of TableType.
using TableWeights = std::variant<float*, Bfloat16*, Float16*>;
inline constexpr size_t kTableTypes = std::variant_size_v<TableWeights>;

template <class T>
inline constexpr TableType kTypeOf = std::is_same_v<T, Bfloat16>  ? TableType::kBfloat16
                                     : std::is_same_v<T, Float16> ? TableType::kFloat16
                                                                  : TableType::kFloat32;

size_t bytes_of(TableType type);
TableWeights weights_at(TableType type, void* address);
TableType type_of(const TableWeights& weights);
void* address_of(const TableWeights& weights);
// Weights behind the first `count`.
TableWeights behind(const TableWeights& weights, size_t count);

// Exact.
void read_weights(const TableWeights& from, std::span<float> into);
// To the nearest, as to_bfloat16 and to_float16.
void write_weights(std::span<const float> values, const TableWeights& to);

}  // namespace prerank
