#include "ingest/dense_transform.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace prerank::ingest {
namespace {

constexpr uint64_t kRootOfHalf = 0x3FE6A09E667F3BCDu;  // bits of √½
constexpr uint64_t kMantissaBits = 52;
constexpr uint64_t kTwoTo52 = 0x4330000000000000u;  // bits of 2^52
// ln 2 in two parts, the first of which times an exponent is exact.
constexpr double kLn2High = 0x1.62e42feep-1;
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;

// sign(x) · log(1 + |x|) within 2 units in the last place, without branches: the loop over it becomes vector code.
// With u = 1 + |x| = 2^k · m and m in [√½, √2): log u = k · ln 2 + 2 artanh((m − 1) / (m + 1)), and what rounding took
// from u is added as (|x| − (u − 1)) / u.
inline double signed_log1p(double x) {
  const double a = std::fabs(x);
  const double u = 1 + a;
  const uint64_t bits = std::bit_cast<uint64_t>(u);
  const uint64_t k = (bits - kRootOfHalf) >> kMantissaBits;
  const double exponent = std::bit_cast<double>(k | kTwoTo52) - std::bit_cast<double>(kTwoTo52);
  const double m = std::bit_cast<double>(bits - (k << kMantissaBits));
  const double s = (m - 1) / (m + 1);
  const double z = s * s;
  // 1/3 + z/5 + z²/7 + …: even and odd powers apart, so that two chains of products run side by side.
  const double w = z * z;
  const double even = 1.0 / 3 + w * (1.0 / 7 + w * (1.0 / 11 + w * (1.0 / 15 + w * (1.0 / 19))));
  const double odd = 1.0 / 5 + w * (1.0 / 9 + w * (1.0 / 13 + w * (1.0 / 17 + w * (1.0 / 21))));
  const double series = even + z * odd;
  const double rest = (a - (u - 1)) / u;
  const double small = exponent * kLn2Low + rest + 2 * s * z * series;
  const double result = exponent * kLn2High + (2 * s + small);
  return std::copysign(a <= std::numeric_limits<double>::max() ? result : a, x);
}

}  // namespace

void transform_dense(std::span<const DenseTransform> transforms, double mean, double deviation, double* values,
                     size_t count) {
  for (const DenseTransform transform : transforms) {
    if (transform == DenseTransform::kLog1p) {
      for (size_t i = 0; i < count; ++i) values[i] = signed_log1p(values[i]);
    } else {
      for (size_t i = 0; i < count; ++i) values[i] = (values[i] - mean) / deviation;
    }
  }
}

}  // namespace prerank::ingest
