// Vectors as wide as the instruction set this file is compiled for. Everything has internal linkage.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#else
#include <arm_neon.h>
#endif

#include <cstddef>
#include <cstdint>

#include "prerank/bfloat16.h"
#include "prerank/float16.h"

#define PRERANK_INLINE static inline __attribute__((always_inline))

namespace prerank::cpu::PRERANK_ISA {

#if defined(__AVX512F__)
#define PRERANK_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define PRERANK_VECTOR_BYTES 32
#else
#define PRERANK_VECTOR_BYTES 16
#endif

typedef float vf __attribute__((vector_size(PRERANK_VECTOR_BYTES)));
typedef int32_t vi __attribute__((vector_size(PRERANK_VECTOR_BYTES)));
typedef uint32_t vu __attribute__((vector_size(PRERANK_VECTOR_BYTES)));
// As many lanes as vf: two registers, so it is never passed to a function.
typedef double vd __attribute__((vector_size(2 * PRERANK_VECTOR_BYTES)));

constexpr size_t kLanes = PRERANK_VECTOR_BYTES / sizeof(float);

// Lane numbers as template arguments, for shuffles.
template <size_t... L>
struct Lanes {};
#if defined(__AVX512F__)
using AllLanes = Lanes<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>;
#elif defined(__AVX2__)
using AllLanes = Lanes<0, 1, 2, 3, 4, 5, 6, 7>;
#else
using AllLanes = Lanes<0, 1, 2, 3>;
#endif

PRERANK_INLINE vf splat(float x) { return x - vf{}; }

PRERANK_INLINE vf load(const float* p) {
  vf v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

PRERANK_INLINE void store(float* p, vf v) { __builtin_memcpy(p, &v, sizeof v); }

#if !defined(__AVX512F__) && defined(__AVX2__)
alignas(64) static const int32_t kTailMasks[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
#endif

// The first n < kLanes floats; the other lanes are 0 and their memory is not touched.
PRERANK_INLINE vf load_tail(const float* p, size_t n) {
#if defined(__AVX512F__)
  return reinterpret_cast<vf>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1u), p));
#elif defined(__AVX2__)
  __m256i mask;
  __builtin_memcpy(&mask, kTailMasks + 8 - n, sizeof mask);
  return reinterpret_cast<vf>(_mm256_maskload_ps(p, mask));
#else
  vf v = {};
  for (size_t i = 0; i < n; ++i) v[i] = p[i];
  return v;
#endif
}

PRERANK_INLINE void store_tail(float* p, size_t n, vf v) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1u), reinterpret_cast<__m512>(v));
#elif defined(__AVX2__)
  __m256i mask;
  __builtin_memcpy(&mask, kTailMasks + 8 - n, sizeof mask);
  _mm256_maskstore_ps(p, mask, reinterpret_cast<__m256>(v));
#else
  for (size_t i = 0; i < n; ++i) p[i] = v[i];
#endif
}

// 1 <= n <= kLanes.
PRERANK_INLINE vf load_part(const float* p, size_t n) { return n == kLanes ? load(p) : load_tail(p, n); }
PRERANK_INLINE void store_part(float* p, size_t n, vf v) {
  if (n == kLanes) {
    store(p, v);
  } else {
    store_tail(p, n, v);
  }
}

PRERANK_INLINE vf vmax(vf a, vf b) { return a > b ? a : b; }
PRERANK_INLINE vf vmin(vf a, vf b) { return a < b ? a : b; }
PRERANK_INLINE vi as_int(vf v) { return reinterpret_cast<vi>(v); }
PRERANK_INLINE vf as_float(vi v) { return reinterpret_cast<vf>(v); }
PRERANK_INLINE vi splat_int(int32_t x) { return x - vi{}; }
PRERANK_INLINE vf vabs(vf v) { return as_float(as_int(v) & 0x7fffffff); }

// 0, 1, 2, ...
PRERANK_INLINE vi lane_numbers() {
  vi lanes;
  for (size_t i = 0; i < kLanes; ++i) lanes[i] = static_cast<int32_t>(i);
  return lanes;
}

// Of a comparison's result: bit i set where lane i holds.
PRERANK_INLINE unsigned bits(vi lanes) {
#if defined(__AVX512F__)
  return _mm512_movepi32_mask(reinterpret_cast<__m512i>(lanes));
#elif defined(__AVX2__)
  return static_cast<unsigned>(_mm256_movemask_ps(reinterpret_cast<__m256>(lanes)));
#elif defined(__x86_64__)
  return static_cast<unsigned>(_mm_movemask_ps(reinterpret_cast<__m128>(lanes)));
#else
  constexpr vu kBit = {1, 2, 4, 8};
  return vaddvq_u32(reinterpret_cast<uint32x4_t>(reinterpret_cast<vu>(lanes) & kBit));
#endif
}

PRERANK_INLINE vf vsqrt(vf v) {
#if defined(__AVX512F__)
  return reinterpret_cast<vf>(_mm512_maskz_sqrt_ps(0xffff, reinterpret_cast<__m512>(v)));
#elif defined(__AVX2__)
  return reinterpret_cast<vf>(_mm256_sqrt_ps(reinterpret_cast<__m256>(v)));
#elif defined(__x86_64__)
  return reinterpret_cast<vf>(_mm_sqrt_ps(reinterpret_cast<__m128>(v)));
#else
  return reinterpret_cast<vf>(vsqrtq_f32(reinterpret_cast<float32x4_t>(v)));
#endif
}

PRERANK_INLINE vf load(const Bfloat16* p) {
#if defined(__AVX512F__)
  const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return reinterpret_cast<vf>(reinterpret_cast<vi>(_mm512_maskz_cvtepu16_epi32(0xffff, v)) << 16);
#elif defined(__AVX2__)
  const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return reinterpret_cast<vf>(_mm256_slli_epi32(_mm256_cvtepu16_epi32(v), 16));
#elif !defined(__x86_64__)
  return reinterpret_cast<vf>(vshll_n_u16(vld1_u16(reinterpret_cast<const uint16_t*>(p)), 16));
#else
  const __m128i v = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return reinterpret_cast<vf>(_mm_unpacklo_epi16(_mm_setzero_si128(), v));
#endif
}

PRERANK_INLINE vf load(const Float16* p) {
#if defined(__AVX512F__)
  return reinterpret_cast<vf>(_mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
#elif defined(__AVX2__)
  return reinterpret_cast<vf>(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#elif !defined(__x86_64__)
  return reinterpret_cast<vf>(vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const uint16_t*>(p)))));
#else
  // SSE4.2 has no instruction for it.
  const __m128i lanes = _mm_cvtepu16_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  const vi bits = reinterpret_cast<vi>(lanes), magnitude = (bits & 0x7fff) << 13;
  const vi rebias = magnitude < (0x7c00 << 13) ? splat_int(112 << 23) : splat_int(224 << 23);
  const vi normal = magnitude + rebias;
  // A subnormal takes the place of 2^-14's mantissa.
  const vf subnormal = as_float(magnitude + (113 << 23)) - as_float(splat_int(113 << 23));
  return as_float((magnitude < (0x400 << 13) ? as_int(subnormal) : normal) | (bits & 0x8000) << 16);
#endif
}

template <class T>
PRERANK_INLINE vf load_tail(const T* p, size_t n) {
  T whole[kLanes] = {};
  for (size_t i = 0; i < n; ++i) whole[i] = p[i];
  return load(whole);
}

template <class T>
PRERANK_INLINE vf load_part(const T* p, size_t n) {
  return n == kLanes ? load(p) : load_tail(p, n);
}

// The lower halves of the lanes, of which the upper ones are 0: a Bfloat16 or Float16 each.
template <class T>
PRERANK_INLINE void store_narrow(T* p, vu v) {
#if defined(__AVX512F__)
  const __m256i narrow = _mm512_maskz_cvtepi32_epi16(0xffff, reinterpret_cast<__m512i>(v));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow);
#elif defined(__AVX2__)
  const __m256i lanes = reinterpret_cast<__m256i>(v);
  const __m128i narrow = _mm_packus_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow);
#elif !defined(__x86_64__)
  vst1_u16(reinterpret_cast<uint16_t*>(p), vmovn_u32(reinterpret_cast<uint32x4_t>(v)));
#else
  const __m128i lanes = reinterpret_cast<__m128i>(v);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi32(lanes, lanes));
#endif
}

template <class T>
PRERANK_INLINE void store_narrow_part(T* p, size_t n, vu v) {
  if (n == kLanes) {
    store_narrow(p, v);
    return;
  }
  T whole[kLanes];
  store_narrow(whole, v);
  for (size_t i = 0; i < n; ++i) p[i] = whole[i];
}

// Horizontal sum, halves first.
#if defined(__x86_64__)
PRERANK_INLINE float hsum(vf v) {
#if defined(__AVX512F__)
  const __m256 y = reinterpret_cast<__m256>(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                                            __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15));
  __m128 x = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
#elif defined(__AVX2__)
  const __m256 y = reinterpret_cast<__m256>(v);
  __m128 x = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
#else
  __m128 x = reinterpret_cast<__m128>(v);
#endif
  x = _mm_add_ps(x, _mm_movehl_ps(x, x));
  x = _mm_add_ss(x, _mm_shuffle_ps(x, x, 1));
  return _mm_cvtss_f32(x);
}
#else
PRERANK_INLINE float hsum(vf v) { return (v[0] + v[2]) + (v[1] + v[3]); }
#endif

// How `width` floats split into vectors: `count` of them, the last with `last` floats.
struct Split {
  size_t count, last;
};
PRERANK_INLINE Split split(size_t width) {
  const size_t count = (width + kLanes - 1) / kLanes;
  return {count, width - (count - 1) * kLanes};
}

// N vectors, the last one partial: the accumulators of the blocked loops.
template <int N, class T>
PRERANK_INLINE void load_block(vf (&v)[N], const T* p, size_t last) {
#pragma GCC unroll 8
  for (int i = 0; i + 1 < N; ++i) v[i] = load(p + static_cast<size_t>(i) * kLanes);
  v[N - 1] = load_part(p + static_cast<size_t>(N - 1) * kLanes, last);
}

template <int N>
PRERANK_INLINE void store_block(float* p, size_t last, const vf (&v)[N]) {
#pragma GCC unroll 8
  for (int i = 0; i + 1 < N; ++i) store(p + static_cast<size_t>(i) * kLanes, v[i]);
  store_part(p + static_cast<size_t>(N - 1) * kLanes, last, v[N - 1]);
}

template <int N>
PRERANK_INLINE void add_block(vf (&v)[N], const float* p, size_t last) {
#pragma GCC unroll 8
  for (int i = 0; i + 1 < N; ++i) v[i] += load(p + static_cast<size_t>(i) * kLanes);
  v[N - 1] += load_part(p + static_cast<size_t>(N - 1) * kLanes, last);
}

template <int N, class T>
PRERANK_INLINE void add_scaled_block(vf (&v)[N], float scale, const T* p, size_t last) {
#pragma GCC unroll 8
  for (int i = 0; i + 1 < N; ++i) v[i] += scale * load(p + static_cast<size_t>(i) * kLanes);
  v[N - 1] += scale * load_part(p + static_cast<size_t>(N - 1) * kLanes, last);
}

// Calls f<1> ... f<8> over the columns of `width` floats in blocks of at most 8 vectors: f(column, last, ...).
#define PRERANK_FOR_BLOCKS(width, f, ...)                               \
  for (size_t column = 0; column < (width); column += 8 * kLanes) {     \
    const size_t left = (width) - column;                               \
    const Split columns = split(left < 8 * kLanes ? left : 8 * kLanes); \
    switch (columns.count) {                                            \
      case 1:                                                           \
        f<1>(column, columns.last, __VA_ARGS__);                        \
        break;                                                          \
      case 2:                                                           \
        f<2>(column, columns.last, __VA_ARGS__);                        \
        break;                                                          \
      case 3:                                                           \
        f<3>(column, columns.last, __VA_ARGS__);                        \
        break;                                                          \
      case 4:                                                           \
        f<4>(column, columns.last, __VA_ARGS__);                        \
        break;                                                          \
      case 5:                                                           \
        f<5>(column, columns.last, __VA_ARGS__);                        \
        break;                                                          \
      case 6:                                                           \
        f<6>(column, columns.last, __VA_ARGS__);                        \
        break;                                                          \
      case 7:                                                           \
        f<7>(column, columns.last, __VA_ARGS__);                        \
        break;                                                          \
      default:                                                          \
        f<8>(column, columns.last, __VA_ARGS__);                        \
        break;                                                          \
    }                                                                   \
  }

}  // namespace prerank::cpu::PRERANK_ISA
