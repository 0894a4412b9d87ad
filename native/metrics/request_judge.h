// The figures of one request from its candidates' scores.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cpu/dispatch.h"
#include "cpu/simd/table.h"
#include "metrics/replay.h"
#include "metrics/top_k.h"

namespace prerank {

// Scratch of one thread; Score is float or double.
template <class Score>
class RequestJudge {
 public:
  RequestJudge(size_t k, size_t early_k, bool gains) : k_(k), early_k_(early_k), gains_(gains) {
    if (!gains_) return;
    for (size_t i = 0; i < k_ && i < kDiscounts; ++i) discounts_.push_back(discount(i));
  }

  // At least one candidate; both spans of equal length. Nothing when a float32 score is not finite; float64 ones are.
  std::optional<RequestReplay> judge(std::span<const Score> early, std::span<const float> final_scores) {
    RequestReplay request;
    if (!add_distance(early, final_scores, request)) return std::nullopt;
    request.rows = static_cast<double>(early.size());
    request.k = static_cast<double>(std::min(k_, early.size()));
    const auto picks = gains_ ? early_.rank(early, std::max(k_, early_k_)) : early_.select(early, early_k_);
    const auto gold = gains_ ? final_.rank(final_scores, k_) : final_.select(final_scores, k_);
    const Pick last = add_gold(gold, final_scores, request);
    add_picks(picks, final_scores, last, request);
    return request;
  }

 private:
  static constexpr size_t kDiscounts = 65536;

  // A candidate of the final stage's choice: the worst one decides for any other whether it was chosen.
  struct Pick {
    float value;
    uint32_t place;
    // Without a branch: which of the early picks are hits is hard to predict.
    bool not_after(const Pick& other) const {
      const int better = value > other.value ? 1 : 0, same = value == other.value ? 1 : 0;
      return (better | (same & (place <= other.place ? 1 : 0))) != 0;
    }
  };

  static double discount(size_t place) { return 1 / std::log2(static_cast<double>(place + 2)); }
  double discount_of(size_t place) const { return place < discounts_.size() ? discounts_[place] : discount(place); }

  Pick add_gold(std::span<const uint32_t> gold, std::span<const float> values, RequestReplay& request) const {
    Pick last{values[gold.front()], gold.front()};
    double sum = 0;
    for (const uint32_t place : gold) {
      const Pick pick{values[place], place};
      last = last.not_after(pick) ? pick : last;
      sum += static_cast<double>(pick.value);
    }
    request.soft_denominator = sum;
    request.idcg = discounted_gain(gold, values);
    return last;
  }

  void add_picks(std::span<const uint32_t> picks, std::span<const float> values, const Pick& last,
                 RequestReplay& request) const {
    size_t hits = 0;
    double sum = 0;
    for (const uint32_t place : picks.first(std::min(early_k_, picks.size()))) {
      hits += static_cast<size_t>(Pick{values[place], place}.not_after(last));
      sum += static_cast<double>(values[place]);
    }
    request.hits = static_cast<double>(hits);
    request.soft_numerator = sum;
    request.dcg = discounted_gain(picks, values);
  }

  double discounted_gain(std::span<const uint32_t> ranked, std::span<const float> values) const {
    if (!gains_) return 0;
    double sum = 0;
    const size_t count = std::min(k_, ranked.size());
    for (size_t i = 0; i < count; ++i) {
      sum += static_cast<double>(std::max(values[ranked[i]], 0.0f)) * discount_of(i);
    }
    return sum;
  }

  bool add_distance(std::span<const float> early, std::span<const float> final_scores, RequestReplay& request) const {
    return score_distance_(early.size(), early.data(), final_scores.data(), &request.difference, &request.size);
  }

  bool add_distance(std::span<const double> early, std::span<const float> final_scores, RequestReplay& request) const {
    for (size_t i = 0; i < early.size(); ++i) {
      const auto value = static_cast<double>(final_scores[i]);
      request.difference += std::abs(value - early[i]);
      request.size += std::abs(value);
    }
    return true;
  }

  size_t k_, early_k_;
  bool gains_;
  decltype(cpu::SimdTable::score_distance) score_distance_ = cpu::simd().score_distance;
  TopK<Score> early_;
  TopK<float> final_;
  std::vector<double> discounts_;
};

}  // namespace prerank
