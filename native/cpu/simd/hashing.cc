// xxHash64 of 64-bit words (native/base/xxhash.h) and the rows of hashes, many at once. Stated again here, since the files of this folder use
// no inline function that others share.
#include "cpu/simd/functions.h"
#include "cpu/simd/vec.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87u;
constexpr uint64_t kPrime2 = 0xC2B2AE3D27D4EB4Fu;
constexpr uint64_t kPrime3 = 0x165667B19E3779F9u;
constexpr uint64_t kPrime4 = 0x85EBCA77C2B2AE63u;
constexpr uint64_t kPrime5 = 0x27D4EB2F165667C5u;

PRERANK_INLINE uint64_t rotate(uint64_t x, int bits) { return (x << bits) | (x >> (64 - bits)); }

void hash_words(size_t count, const int64_t* words, uint64_t* hashes) {
  for (size_t i = 0; i < count; ++i) {
    const uint64_t word = rotate(static_cast<uint64_t>(words[i]) * kPrime2, 31) * kPrime1;
    uint64_t hash = rotate((kPrime5 + sizeof(uint64_t)) ^ word, 27) * kPrime1 + kPrime4;
    hash = (hash ^ (hash >> 33)) * kPrime2;
    hash = (hash ^ (hash >> 29)) * kPrime3;
    hashes[i] = hash ^ (hash >> 32);
  }
}

// The upper half of a product, from products of halves: processors multiply 32-bit lanes, not 64-bit ones.
PRERANK_INLINE uint64_t high_product(uint64_t a, uint64_t b) {
  const uint64_t low = 0xFFFFFFFFu;
  const uint64_t a0 = a & low, a1 = a >> 32, b0 = b & low, b1 = b >> 32;
  const uint64_t middle = a1 * b0 + ((a0 * b0) >> 32);
  return a1 * b1 + (middle >> 32) + ((a0 * b1 + (middle & low)) >> 32);
}

void bucket_rows(size_t count, const uint64_t* hashes, uint64_t buckets, uint64_t reciprocal, uint32_t* rows) {
  for (size_t i = 0; i < count; ++i) {
    // floor(hash · reciprocal / 2^64) is the quotient or one less.
    const uint64_t rest = hashes[i] - high_product(hashes[i], reciprocal) * buckets;
    rows[i] = static_cast<uint32_t>(rest >= buckets ? rest - buckets : rest);
  }
}

constexpr int kIndexBits = 14;
constexpr uint64_t kStop = uint64_t{1} << (kIndexBits - 1);  // the rank of a hash without ones

PRERANK_INLINE void raise_rank(uint64_t hash, uint8_t* registers) {
  const auto rank = static_cast<uint8_t>(__builtin_clzll((hash << kIndexBits) | kStop) + 1);
  uint8_t& present = registers[hash >> (64 - kIndexBits)];
  if (rank > present) present = rank;
}

void raise_ranks(size_t count, const uint64_t* hashes, uint8_t* registers) {
  size_t i = 0;
#if defined(__AVX512F__) && defined(__AVX512CD__)
  // Few hashes raise anything: those of eight that do not are seen at once.
  const __m512i stop = _mm512_set1_epi64(kStop), byte = _mm512_set1_epi64(0xff), one = _mm512_set1_epi64(1);
  for (; i + 8 <= count; i += 8) {
    const __m512i hash = _mm512_loadu_si512(hashes + i);
    const __m512i index = _mm512_srli_epi64(hash, 64 - kIndexBits);
    const __m512i rest = _mm512_or_si512(_mm512_slli_epi64(hash, kIndexBits), stop);
    const __m512i rank = _mm512_add_epi64(_mm512_lzcnt_epi64(rest), one);
    const __m256i words = _mm512_i64gather_epi32(_mm512_srli_epi64(index, 2), registers, 4);
    const __m512i shift = _mm512_slli_epi64(_mm512_and_si512(index, _mm512_set1_epi64(3)), 3);
    const __m512i present = _mm512_and_si512(_mm512_srlv_epi64(_mm512_cvtepu32_epi64(words), shift), byte);
    if (_mm512_cmpgt_epi64_mask(rank, present) == 0) continue;
    for (size_t k = i; k < i + 8; ++k) raise_rank(hashes[k], registers);
  }
#endif
  for (; i < count; ++i) raise_rank(hashes[i], registers);
}

}  // namespace

void add_hashing(SimdTable& table) {
  table.hash_words = hash_words;
  table.bucket_rows = bucket_rows;
  table.raise_ranks = raise_ranks;
}

}  // namespace prerank::cpu::PRERANK_ISA
