// The k best of a request's candidates: score descending, equal scores by place.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "cpu/dispatch.h"
#include "cpu/simd/table.h"

namespace prerank {

// Scratch of one thread; T is float or double. Scores are finite.
template <class T>
class TopK {
 public:
  // Places of the k best (all when there are fewer), in any order. Valid until the next call.
  std::span<const uint32_t> select(std::span<const T> scores, size_t k) {
    if (const auto ranked = rank_few(scores, k); !ranked.empty()) return ranked;
    return select_many(scores, k);
  }

  // The same places, best first.
  std::span<const uint32_t> rank(std::span<const T> scores, size_t k) {
    if (const auto ranked = rank_few(scores, k); !ranked.empty()) return ranked;
    const std::span<const uint32_t> chosen = select_many(scores, k);
    const size_t count = chosen.size();
    if (count > kRankByCounting) {
      std::copy(chosen.begin(), chosen.end(), ranked_.begin());
      std::sort(ranked_.begin(), ranked_.begin() + static_cast<ptrdiff_t>(count), [&](uint32_t a, uint32_t b) {
        return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
      });
      return {ranked_.data(), count};
    }
    // A place's rank is the number of better ones: quadratic, but without a branch.
    for (size_t i = 0; i < count; ++i) upper_[i] = scores[chosen[i]];
    for (size_t i = 0; i < count; ++i) {
      Count better = 0;
      for (size_t j = 0; j < i; ++j) better += upper_[j] >= upper_[i] ? 1 : 0;
      for (size_t j = i + 1; j < count; ++j) better += upper_[j] > upper_[i] ? 1 : 0;
      ranked_[better] = chosen[i];
    }
    return {ranked_.data(), count};
  }

 private:
  using Count = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;  // as wide as T, for the compiler's vectors

  static constexpr size_t kRankByCounting = 128;
  static constexpr size_t kSample = 32;
  static constexpr size_t kFew = 32;  // so many scores are ordered at once

  // Of float32 scores that vector code can rank; else nothing.
  std::span<const uint32_t> rank_few(std::span<const T> scores, size_t k) {
    if constexpr (std::is_same_v<T, float>) {
      if (k <= cpu::kMostRanked) return {few_.data(), rank_best_(scores.size(), scores.data(), k, few_.data())};
    }
    return {};
  }

  // Places of the k best, ascending.
  std::span<const uint32_t> select_many(std::span<const T> scores, size_t k) {
    grow(scores.size());
    size_t count = collect(scores, k);
    if (count <= k) return {places_.data(), count};
    size_t above = 0;  // scores above the k-th best
    const T least = kth_best({values_.data(), count}, k, above);
    size_t ties = k - above, kept = 0;
    for (size_t i = 0; i < count; ++i) {
      const T score = scores[places_[i]];
      const size_t tie = static_cast<size_t>(score == least) & static_cast<size_t>(ties > 0);
      places_[kept] = places_[i];
      kept += static_cast<size_t>(score > least) | tie;
      ties -= tie;
    }
    return {places_.data(), kept};
  }

  void grow(size_t count) {
    if (values_.size() >= count) return;
    values_.resize(count);
    upper_.resize(count);
    lower_.resize(count);
    places_.resize(count);
    ranked_.resize(count);
  }

  // Places and values of at least the k best: those above a pivot that a sample says lies below the k-th best, or all.
  size_t collect(std::span<const T> scores, size_t k) {
    if (scores.size() > 2 * kSample && k < scores.size() / 2) {
      const size_t beyond = k * kSample / scores.size() + 2;
      const size_t count = collect_from(scores, sampled(scores, beyond));
      if (count >= k) return count;
    }
    for (size_t i = 0; i < scores.size(); ++i) {
      places_[i] = static_cast<uint32_t>(i);
      values_[i] = scores[i];
    }
    return scores.size();
  }

  size_t collect_from(std::span<const T> scores, T pivot) {
    uint32_t* const places = places_.data();
    T* const values = values_.data();
    size_t count = 0;
    for (size_t i = 0; i < scores.size(); ++i) {
      const T score = scores[i];
      places[count] = static_cast<uint32_t>(i);
      values[count] = score;
      count += score >= pivot ? 1 : 0;
    }
    return count;
  }

  // The k-th largest score, 1 <= k <= scores.size(), and how many are larger. Quickselect without branches on scores.
  T kth_best(std::span<const T> scores, size_t k, size_t& above) {
    std::span<const T> left = scores;
    size_t wanted = k;
    while (left.size() > kFew) {
      const T pivot = sampled(left, wanted * kSample / left.size());
      size_t more = 0, less = 0;
      for (const T score : left) {  // `left` may be upper_: what is overwritten was read
        lower_[less] = score;
        less += score < pivot ? 1 : 0;
        upper_[more] = score;
        more += score > pivot ? 1 : 0;
      }
      const size_t same = left.size() - more - less;
      if (wanted <= more) {
        left = {upper_.data(), more};
      } else if (wanted <= more + same) {
        above += more;
        return pivot;
      } else {
        above += more + same;
        wanted -= more + same;
        lower_.swap(upper_);
        left = {upper_.data(), less};
      }
    }
    std::array<T, kFew> few{};
    std::copy(left.begin(), left.end(), few.begin());
    const T least = ordered(few, left.size(), wanted - 1);
    for (size_t i = 0; i < left.size(); ++i) above += few[i] > least ? 1 : 0;
    return least;
  }

  // The score at place `rank` of a sample in falling order (the last when there are fewer).
  static T sampled(std::span<const T> scores, size_t rank) {
    std::array<T, kSample> sample;
    const size_t step = scores.size() / kSample;
    for (size_t i = 0; i < kSample; ++i) sample[i] = scores[i * step + step / 2];
    return ordered(sample, kSample, std::min(rank, kSample - 1));
  }

  // The value at place `rank` in falling order of the first `count`, by counting the better ones of each.
  static T ordered(const std::array<T, kFew>& values, size_t count, size_t rank) {
    static_assert(kSample == kFew);
    T found = values[0];
    for (size_t i = 0; i < count; ++i) {
      Count better = 0, same = 0;
      for (size_t j = 0; j < count; ++j) {
        better += values[j] > values[i] ? 1 : 0;
        same += values[j] == values[i] ? 1 : 0;
      }
      if (better <= rank && rank < better + same) found = values[i];
    }
    return found;
  }

  decltype(cpu::SimdTable::rank_best) rank_best_ = cpu::simd().rank_best;
  std::array<uint32_t, cpu::kMostRanked> few_;
  std::vector<T> values_, upper_, lower_;
  std::vector<uint32_t> places_, ranked_;
};

}  // namespace prerank
