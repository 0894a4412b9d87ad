#include "ingest/statistics_moments.h"

#include <algorithm>
#include <utility>

namespace prerank::ingest {
namespace {

constexpr size_t kLanes = 8;  // partial sums, so that an addition does not wait for the one before

template <class F>
double sum(std::span<const double> values, F&& term) {
  double lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(values[i + lane]);
  }
  for (size_t lane = 0; i < values.size(); ++i, ++lane) lanes[lane] += term(values[i]);
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

}  // namespace

CentralMoments CentralMoments::of(std::span<const double> values) {
  CentralMoments result;
  if (values.empty()) return result;
  result.count = values.size();
  double minimum = values[0], maximum = values[0];
  for (const double x : values) {
    minimum = x < minimum ? x : minimum;
    maximum = x > maximum ? x : maximum;
  }
  result.minimum = minimum;
  result.maximum = maximum;
  const double mean = sum(values, [](double x) { return x; }) / static_cast<double>(values.size());
  result.mean = mean;
  result.second = sum(values, [mean](double x) { return (x - mean) * (x - mean); });
  result.third = sum(values, [mean](double x) { return (x - mean) * (x - mean) * (x - mean); });
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
