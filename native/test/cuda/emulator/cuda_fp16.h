// Half precision, as far as kernels use it.
#pragma once

#include <cstdint>
#include <span>

#include "prerank/float16.h"

struct __half {
  prerank::Float16 value;
};

inline __half __ushort_as_half(uint16_t bits) { return {{bits}}; }

inline float __half2float(__half half) {
  float value = 0;
  prerank::to_float(std::span<const prerank::Float16>(&half.value, 1), std::span(&value, 1));
  return value;
}
