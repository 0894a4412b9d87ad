#include "ingest/statistics_moments.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace prerank::ingest {
namespace {

constexpr size_t kLanes = 8;  // partial sums, so that an addition does not wait for the one before

using Lanes = double __attribute__((vector_size(kLanes * sizeof(double))));

// f(Lanes) for all whole groups of the values; returns the others.
template <class F>
std::span<const double> in_lanes(std::span<const double> values, F&& f) {
  while (values.size() >= kLanes) {
    Lanes group;
    std::memcpy(&group, values.data(), sizeof(group));
    f(group);
    values = values.subspan(kLanes);
  }
  return values;
}

double sum(const Lanes& lanes) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

}  // namespace

CentralMoments CentralMoments::of(std::span<const double> values) {
  CentralMoments result;
  if (values.empty()) return result;
  result.count = values.size();
  Lanes minimum = Lanes{} + values[0], maximum = minimum, total = {}, second = {}, third = {};
  const auto rest = in_lanes(values, [&](const Lanes& x) {
    minimum = x < minimum ? x : minimum;
    maximum = x > maximum ? x : maximum;
    total += x;
  });
  result.minimum = result.maximum = values[0];
  for (size_t lane = 0; lane < kLanes; ++lane) {
    result.minimum = std::min(result.minimum, minimum[lane]);
    result.maximum = std::max(result.maximum, maximum[lane]);
  }
  for (size_t i = 0; i < rest.size(); ++i) {
    result.minimum = std::min(result.minimum, rest[i]);
    result.maximum = std::max(result.maximum, rest[i]);
    total[i] += rest[i];
  }
  result.mean = sum(total) / static_cast<double>(values.size());
  const auto add_powers = [&, mean = result.mean](const auto& x, auto&& to_second, auto&& to_third) {
    const auto square = (x - mean) * (x - mean);
    to_second += square;
    to_third += square * (x - mean);
  };
  in_lanes(values, [&](const Lanes& x) { add_powers(x, second, third); });
  for (size_t i = 0; i < rest.size(); ++i) add_powers(rest[i], second[i], third[i]);
  result.second = sum(second);
  result.third = sum(third);
  return result;
}

void CentralMoments::merge(const CentralMoments& later) {
  if (later.count == 0) return;
  if (count == 0) {
    *this = later;
    return;
  }
  const auto a = static_cast<double>(count), b = static_cast<double>(later.count);
  const double n = a + b;
  const double delta = later.mean - mean;
  third += later.third + delta * delta * delta * a * b * (a - b) / (n * n) +
           3 * delta * (a * later.second - b * second) / n;
  second += later.second + delta * delta * a * b / n;
  mean += delta * b / n;
  count += later.count;
  minimum = std::min(minimum, later.minimum);
  maximum = std::max(maximum, later.maximum);
}

void MomentStream::added(size_t count) {
  filled_ += count;
  if (filled_ < kGroup) return;
  sum_.merge(CentralMoments::of(values_));
  filled_ = 0;
}

void MomentStream::add(std::span<const double> values) {
  while (!values.empty()) {
    const size_t count = std::min(room(), values.size());
    std::copy_n(values.data(), count, next());
    added(count);
    values = values.subspan(count);
  }
}

CentralMoments MomentStream::take() {
  sum_.merge(CentralMoments::of({values_.data(), filled_}));
  filled_ = 0;
  return std::exchange(sum_, {});
}

}  // namespace prerank::ingest
