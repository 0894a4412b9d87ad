// Weights of a table in a test, of any type.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "prerank/table_weights.h"

namespace prerank::test {

inline constexpr std::array<TableType, kTableTypes> kEveryTableType = {TableType::kFloat32, TableType::kBfloat16,
                                                                       TableType::kFloat16};
inline constexpr std::array<TableType, 2> kNarrowTypes = {TableType::kBfloat16, TableType::kFloat16};

inline const char* name_of(TableType type) {
  return type == TableType::kFloat32 ? "float32" : type == TableType::kBfloat16 ? "bfloat16" : "float16";
}

class HeldWeights {
 public:
  HeldWeights() = default;
  HeldWeights(TableType type, std::span<const float> values)
      : type_(type), count_(values.size()), memory_(values.size() * bytes_of(type)) {
    write_weights(values, view());
  }

  TableWeights view() { return weights_at(type_, memory_.data()); }
  std::vector<float> values() const {
    std::vector<float> result(count_);
    read_weights(weights_at(type_, const_cast<std::byte*>(memory_.data())), result);
    return result;
  }
  // Of the same bytes.
  bool operator==(const HeldWeights&) const = default;

 private:
  TableType type_ = TableType::kFloat32;
  size_t count_ = 0;
  std::vector<std::byte> memory_;
};

// What a type holds of `values`, to the nearest.
inline std::vector<float> held(TableType type, std::span<const float> values) {
  return HeldWeights(type, values).values();
}

// Distance of a type's neighbours of `value`.
inline double spacing_of(TableType type, float value) {
  const int mantissa = type == TableType::kBfloat16 ? 7 : 10, least = type == TableType::kBfloat16 ? -126 : -14;
  return std::ldexp(1.0, (value == 0 ? least : std::max(least, std::ilogb(value))) - mantissa);
}

}  // namespace prerank::test
