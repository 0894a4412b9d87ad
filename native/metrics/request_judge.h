// The figures of one request from its candidates' scores.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "metrics/replay.h"
#include "metrics/top_k.h"

namespace prerank {

// Scratch of one thread; Score is float or double.
template <class Score>
class RequestJudge {
 public:
  RequestJudge(size_t k, size_t early_k, bool gains) : k_(k), early_k_(early_k), gains_(gains) {}

  // At least one candidate; both spans of equal length, finite.
  RequestReplay judge(std::span<const Score> early, std::span<const float> final_scores) {
    RequestReplay request;
    request.rows = static_cast<double>(early.size());
    request.k = static_cast<double>(std::min(k_, early.size()));
    std::span<const uint32_t> picks, gold;
    if (gains_) {
      const auto ranked = early_.rank(early, std::max(k_, early_k_));
      gold = final_.rank(final_scores, k_);
      request.dcg = discounted_gain(ranked, final_scores);
      request.idcg = discounted_gain(gold, final_scores);
      picks = ranked.first(std::min(early_k_, ranked.size()));
    } else {
      picks = early_.select(early, early_k_);
      gold = final_.select(final_scores, k_);
    }
    request.soft_numerator = sum_of(picks, final_scores);
    request.soft_denominator = sum_of(gold, final_scores);
    if (marks_.size() < early.size()) marks_.resize(early.size());
    for (const uint32_t place : gold) marks_[place] = 1;
    size_t hits = 0;
    for (const uint32_t place : picks) hits += marks_[place];
    for (const uint32_t place : gold) marks_[place] = 0;
    request.hits = static_cast<double>(hits);
    add_distance(early, final_scores, request);
    return request;
  }

 private:
  static double sum_of(std::span<const uint32_t> places, std::span<const float> values) {
    double sum = 0;
    for (const uint32_t place : places) sum += static_cast<double>(values[place]);
    return sum;
  }

  double discounted_gain(std::span<const uint32_t> ranked, std::span<const float> gains) {
    const size_t count = std::min(k_, ranked.size());
    for (size_t i = discounts_.size(); i < count; ++i) discounts_.push_back(std::log2(static_cast<double>(i + 2)));
    double sum = 0;
    for (size_t i = 0; i < count; ++i) sum += std::max(static_cast<double>(gains[ranked[i]]), 0.0) / discounts_[i];
    return sum;
  }

  // Sums in four lanes, so that one addition need not wait for the other.
  static void add_distance(std::span<const Score> early, std::span<const float> final_scores, RequestReplay& request) {
    constexpr size_t kLanes = 4;
    double difference[kLanes] = {}, size[kLanes] = {};
    const size_t whole = early.size() / kLanes * kLanes;
    for (size_t i = 0; i < whole; i += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        const auto value = static_cast<double>(final_scores[i + lane]);
        difference[lane] += std::abs(value - static_cast<double>(early[i + lane]));
        size[lane] += std::abs(value);
      }
    }
    for (size_t i = whole; i < early.size(); ++i) {
      const auto value = static_cast<double>(final_scores[i]);
      difference[i - whole] += std::abs(value - static_cast<double>(early[i]));
      size[i - whole] += std::abs(value);
    }
    request.difference = difference[0] + difference[1] + (difference[2] + difference[3]);
    request.size = size[0] + size[1] + (size[2] + size[3]);
  }

  size_t k_, early_k_;
  bool gains_;
  TopK<Score> early_;
  TopK<float> final_;
  std::vector<uint8_t> marks_;
  std::vector<double> discounts_;
};

}  // namespace prerank
