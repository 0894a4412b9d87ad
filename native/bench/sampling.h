// How a benchmark takes its samples.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

namespace prerank::bench {

struct Sampling {
  size_t warm_up = 3;       // calls that are not timed
  size_t samples = 30;
  double at_least = 50e-6;  // seconds of one sample: short work is repeated, so that the clock does not count
};

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Seconds of one call of `work`, per sample.
template <class Work>
std::vector<double> sample(const Sampling& sampling, Work&& work) {
  for (size_t i = 0; i < sampling.warm_up; ++i) work();
  size_t repeats = 1;
  for (;; repeats *= 2) {
    const auto start = std::chrono::steady_clock::now();
    for (size_t i = 0; i < repeats; ++i) work();
    if (seconds_since(start) >= sampling.at_least) break;
  }
  std::vector<double> seconds;
  for (size_t s = 0; s < sampling.samples; ++s) {
    const auto start = std::chrono::steady_clock::now();
    for (size_t i = 0; i < repeats; ++i) work();
    seconds.push_back(seconds_since(start) / static_cast<double>(repeats));
  }
  return seconds;
}

}  // namespace prerank::bench
