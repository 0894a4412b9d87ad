#include "ingest/hyperloglog.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "cpu/dispatch.h"
#include "cpu/simd/table.h"

namespace prerank::ingest {
namespace {

// Σ x^(2^k) 2^(k−1) for k ≥ 0, the share of untouched registers.
double sigma(double x) {
  double power = x, weight = 1, sum = x, before = 0;
  do {
    power *= power;
    before = sum;
    sum += power * weight;
    weight += weight;
  } while (sum != before);
  return sum;
}

// The same for registers that cannot rise any more.
double tau(double x) {
  if (x == 0 || x == 1) return 0;
  double weight = 1, sum = 1 - x, before = 0;
  do {
    x = std::sqrt(x);
    before = sum;
    weight *= 0.5;
    sum -= (1 - x) * (1 - x) * weight;
  } while (sum != before);
  return sum / 3;
}

}  // namespace

void HyperLogLog::add(std::span<const uint64_t> hashes) {
  cpu::simd().raise_ranks(hashes.size(), hashes.data(), registers_.data());
}

void HyperLogLog::merge(const HyperLogLog& other) {
  for (size_t i = 0; i < registers_.size(); ++i) registers_[i] = std::max(registers_[i], other.registers_[i]);
}

double HyperLogLog::estimate() const {
  std::array<uint32_t, kRankBits + 2> with_rank = {};
  for (const uint8_t rank : registers_) ++with_rank[rank];
  const auto count = static_cast<double>(registers_.size());
  if (with_rank[0] == registers_.size()) return 0;
  double sum = count * tau(1 - with_rank[kRankBits + 1] / count);
  for (int rank = kRankBits; rank >= 1; --rank) sum = 0.5 * (sum + with_rank[static_cast<size_t>(rank)]);
  sum += count * sigma(with_rank[0] / count);
  return count * count / (2 * std::numbers::ln2 * sum);
}

}  // namespace prerank::ingest
