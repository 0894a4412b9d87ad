// Which functions of the table work on an embedding table's type.
#pragma once

#include <type_traits>

#include "cpu/simd/table.h"

namespace prerank::cpu {

template <class T>
const TableFunctions<T>& functions_of(const SimdTable& simd) {
  if constexpr (std::is_same_v<T, Bfloat16>) {
    return simd.bfloat16_tables;
  } else if constexpr (std::is_same_v<T, Float16>) {
    return simd.float16_tables;
  } else {
    return simd.float32_tables;
  }
}

}  // namespace prerank::cpu
