// The best of a request's candidates, and what a replay sums over all of them. No result depends on the vectors' width.
#include "cpu/simd/functions.h"
#include "cpu/simd/vec.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

// Floats to prefetch ahead: about a request, so that ranking one hides the next's way.
constexpr size_t kPrefetch = 1024;
constexpr size_t kSums = 16;     // lanes of the sums, for any width of vectors
constexpr size_t kPivots = 16;
constexpr float kLowest = -__builtin_inff();

typedef double vw __attribute__((vector_size(PRERANK_VECTOR_BYTES)));
typedef int64_t vl __attribute__((vector_size(PRERANK_VECTOR_BYTES)));
constexpr size_t kWide = kLanes / 2;  // lanes of vw
constexpr size_t kParts = kSums / kWide;

size_t run_length(size_t count, const uint32_t* codes, uint32_t code) {
  constexpr size_t kStride = 64;
  const vi wanted = static_cast<int32_t>(code) - vi{};
  size_t i = 0;
  for (; i + kStride <= count; i += kStride) {
    vi other = {};
    for (size_t part = 0; part < kStride; part += kLanes) {
      vi found;
      __builtin_memcpy(&found, codes + i + part, sizeof found);
      other |= found ^ wanted;
    }
    for (size_t line = 0; line < kStride; line += kSums) __builtin_prefetch(codes + i + line + kPrefetch);
    if (bits(other != 0) != 0) break;
  }
  while (i < count && codes[i] == code) ++i;
  return i;
}

PRERANK_INLINE vw widened(const float* p) {
#if defined(__AVX512F__)
  return reinterpret_cast<vw>(_mm512_maskz_cvtps_pd(0xff, _mm256_loadu_ps(p)));
#elif defined(__AVX2__)
  return reinterpret_cast<vw>(_mm256_cvtps_pd(_mm_loadu_ps(p)));
#else
  return vw{static_cast<double>(p[0]), static_cast<double>(p[1])};
#endif
}

PRERANK_INLINE vw magnitude(vw v) { return reinterpret_cast<vw>(reinterpret_cast<vl>(v) & 0x7fffffffffffffff); }

// Halves first.
PRERANK_INLINE double total(vw (&lanes)[kParts]) {
#pragma GCC unroll 4
  for (size_t half = kParts / 2; half > 0; half /= 2) {
#pragma GCC unroll 4
    for (size_t part = 0; part < half; ++part) lanes[part] += lanes[part + half];
  }
  double sums[kWide];
  __builtin_memcpy(sums, lanes, sizeof sums);
#pragma GCC unroll 4
  for (size_t half = kWide / 2; half > 0; half /= 2) {
#pragma GCC unroll 4
    for (size_t lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  }
  return sums[0];
}

bool score_distance(size_t count, const float* a, const float* b, double* difference, double* size) {
  vw differences[kParts] = {}, sizes[kParts] = {};
  const auto add = [&](const float* x, const float* y) __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (size_t part = 0; part < kParts; ++part) {
      const vw value = widened(y + part * kWide);
      differences[part] += magnitude(value - widened(x + part * kWide));
      sizes[part] += magnitude(value);
    }
  };
  size_t i = 0;
  for (; i + kSums <= count; i += kSums) {
    __builtin_prefetch(a + i + kPrefetch);
    __builtin_prefetch(b + i + kPrefetch);
    add(a + i, b + i);
  }
  if (i < count) {
    float last_a[kSums] = {}, last_b[kSums] = {};
    __builtin_memcpy(last_a, a + i, (count - i) * sizeof(float));
    __builtin_memcpy(last_b, b + i, (count - i) * sizeof(float));
    add(last_a, last_b);
  }
  *difference = total(differences);
  *size = total(sizes);
  // Sums of finite float32 values are finite, and no other value leaves a sum finite.
  return __builtin_isfinite(*difference) && __builtin_isfinite(*size);
}

// counts + 1 in the lanes where a < b.
PRERANK_INLINE vi count_less(vi counts, vf a, vf b) {
#if defined(__AVX512F__)
  const __mmask16 less = _mm512_cmp_ps_mask(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), _CMP_LT_OQ);
  const __m512i old = reinterpret_cast<__m512i>(counts);
  return reinterpret_cast<vi>(_mm512_mask_add_epi32(old, less, old, _mm512_set1_epi32(1)));
#else
  return counts - (a < b);
#endif
}

// Bit i: score i reaches `least`.
PRERANK_INLINE unsigned reaching(vf scores, float least) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(reinterpret_cast<__m512>(scores), _mm512_set1_ps(least), _CMP_GE_OQ);
#else
  return bits(scores >= least);
#endif
}

// A score that at least k of the scores reach, and few more: the scores are dealt to kGroups groups, and no more than k
// groups can have a maximum above the k-th best score. k <= kGroups <= count.
template <size_t kGroups>
PRERANK_INLINE float reached_by(size_t k, size_t count, const float* scores) {
  constexpr size_t kVectors = kGroups / kLanes;
  vf maxima[kVectors];
#pragma GCC unroll 32
  for (size_t v = 0; v < kVectors; ++v) maxima[v] = load(scores + v * kLanes);
  size_t i = kGroups;
  for (; i + kGroups <= count; i += kGroups) {
#pragma GCC unroll 32
    for (size_t v = 0; v < kVectors; ++v) maxima[v] = vmax(maxima[v], load(scores + i + v * kLanes));
  }
#pragma GCC unroll 32
  for (size_t v = 0; v < kVectors; ++v) {
    if (i + (v + 1) * kLanes <= count) maxima[v] = vmax(maxima[v], load(scores + i + v * kLanes));
  }
  float values[kGroups];
  __builtin_memcpy(values, maxima, sizeof values);
  // The highest of some pivots among the maxima that k of them reach.
  float pivots[kPivots];
  for (size_t p = 0; p < kPivots; ++p) pivots[p] = values[p * (kGroups / kPivots)];
  float best = kLowest;
  for (size_t p = 0; p < kPivots; p += kLanes) {
    const vf pivot = load(pivots + p);
    vi lower = {};  // maxima below the pivot
#pragma GCC unroll 8
    for (size_t g = 0; g < kGroups; ++g) lower = count_less(lower, splat(values[g]), pivot);
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float candidate = lower[lane] <= static_cast<int32_t>(kGroups - k) ? pivot[lane] : kLowest;
      best = candidate > best ? candidate : best;
    }
  }
  if (best > kLowest) return best;
  best = values[0];
  for (size_t g = 1; g < kGroups; ++g) best = values[g] < best ? values[g] : best;
  return best;
}

// Appends the places of the first `valid` of a vector's scores that reach `least`; the vector begins at place `first`.
PRERANK_INLINE size_t append_places(vf scores, float least, unsigned valid, size_t first, size_t found,
                                    uint32_t* places) {
  unsigned reached = reaching(scores, least) & valid;
#if defined(__AVX512F__)
  const vi numbers = lane_numbers() + static_cast<int32_t>(first);
  const __m512i kept = _mm512_maskz_compress_epi32(static_cast<__mmask16>(reached), reinterpret_cast<__m512i>(numbers));
  _mm512_storeu_si512(places + found, kept);
  return found + static_cast<size_t>(__builtin_popcount(reached));
#else
  for (; reached != 0; reached &= reached - 1) {
    places[found++] = static_cast<uint32_t>(first) + static_cast<uint32_t>(__builtin_ctz(reached));
  }
  return found;
#endif
}

// Places of the scores that reach `least`, ascending; beyond kMostRanked there may be more.
PRERANK_INLINE size_t places_from(float least, size_t count, const float* scores, uint32_t* places) {
  constexpr unsigned kAll = (1u << kLanes) - 1u;
  size_t found = 0, i = 0;
  for (; i + kLanes <= count && found <= kMostRanked; i += kLanes) {
    found = append_places(load(scores + i), least, kAll, i, found, places);
  }
  if (i >= count || found > kMostRanked) return found;
  return append_places(load_tail(scores + i, count - i), least, (1u << (count - i)) - 1u, i, found, places);
}

// ranks[i] = how many values are larger than the i-th, of kVectors vectors that `count` values fill; the sum of the ranks.
template <size_t kVectors>
PRERANK_INLINE void count_larger(size_t count, const float* all, const float* values, int32_t* ranks) {
  vf mine[kVectors];
  vi larger[kVectors] = {};
#pragma GCC unroll 8
  for (size_t v = 0; v < kVectors; ++v) mine[v] = load(values + v * kLanes);
#pragma GCC unroll 2
  for (size_t j = 0; j < count; ++j) {
    const vf other = splat(all[j]);
#pragma GCC unroll 8
    for (size_t v = 0; v < kVectors; ++v) larger[v] = count_less(larger[v], mine[v], other);
  }
  __builtin_memcpy(ranks, larger, sizeof larger);
}

// ranks[i] = how many of the values are better than the i-th: larger, or equal and earlier.
PRERANK_INLINE void rank_values(size_t count, const float* values, int32_t* ranks) {
  size_t i = 0;
  for (; i + 2 * kLanes < count; i += 4 * kLanes) count_larger<4>(count, values, values + i, ranks + i);
  for (; i + kLanes < count; i += 2 * kLanes) count_larger<2>(count, values, values + i, ranks + i);
  for (; i < count; i += kLanes) count_larger<1>(count, values, values + i, ranks + i);
  size_t sum = 0;
  for (size_t v = 0; v < count; ++v) sum += static_cast<size_t>(ranks[v]);
  if (2 * sum == count * (count - 1)) return;  // no two values are equal
  for (size_t v = 0; v < count; ++v) {
    for (size_t j = 0; j < v; ++j) ranks[v] += values[j] == values[v] ? 1 : 0;
  }
}

size_t rank_best(size_t count, const float* scores, size_t k, uint32_t* places) {
  uint32_t found[kMostRanked + 4 * kSums];
  float values[kMostRanked + 4 * kSums];
  int32_t ranks[kMostRanked + 4 * kSums];
  float least = kLowest;
  if (count >= 64 && k <= 36) {
    least = reached_by<64>(k, count, scores);
  } else if (count >= 128 && k <= 112) {
    least = reached_by<128>(k, count, scores);
  }
  const size_t candidates = places_from(least, count, scores, found);
  if (candidates > kMostRanked) return 0;
  for (size_t i = 0; i < candidates; ++i) values[i] = scores[found[i]];
  for (size_t i = candidates; i < candidates + 4 * kSums; ++i) values[i] = kLowest;
  rank_values(candidates, values, ranks);
  for (size_t i = 0; i < candidates; ++i) places[ranks[i]] = found[i];
  return k < candidates ? k : candidates;
}

}  // namespace

void add_ranking(SimdTable& table) {
  table.run_length = run_length;
  table.score_distance = score_distance;
  table.rank_best = rank_best;
}

}  // namespace prerank::cpu::PRERANK_ISA
