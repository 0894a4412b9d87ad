// Dropout by counter-based random bits: Philox4x32-10 (Salmon et al., SC 2011).
#include "cpu/simd/functions.h"
#include "cpu/simd/vec.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

constexpr size_t kCounters = 16;  // counters drawn at once, 4 words each

struct Words {
  uint32_t w[4][kCounters];
};

PRERANK_INLINE void philox(Words& x, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    for (size_t i = 0; i < kCounters; ++i) {
      const uint64_t p0 = uint64_t{0xD2511F53u} * x.w[0][i];
      const uint64_t p1 = uint64_t{0xCD9E8D57u} * x.w[2][i];
      const uint32_t w1 = x.w[1][i], w3 = x.w[3][i];
      x.w[0][i] = static_cast<uint32_t>(p1 >> 32) ^ w1 ^ key0;
      x.w[1][i] = static_cast<uint32_t>(p1);
      x.w[2][i] = static_cast<uint32_t>(p0 >> 32) ^ w3 ^ key1;
      x.w[3][i] = static_cast<uint32_t>(p0);
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

void dropout(size_t rows, size_t width, const DropoutArguments& a, const float* x, size_t xs, float* y, size_t ys) {
  for (size_t r = 0; r < rows; ++r, x += xs, y += ys) {
    for (size_t c = 0; c < width; c += 4 * kCounters) {
      Words words;
      for (size_t i = 0; i < kCounters; ++i) {
        words.w[0][i] = static_cast<uint32_t>(c / 4 + i);
        words.w[1][i] = a.first_row + static_cast<uint32_t>(r);
        words.w[2][i] = a.op;
        words.w[3][i] = a.step;
      }
      philox(words, a.key[0], a.key[1]);
      const size_t n = width - c < 4 * kCounters ? width - c : 4 * kCounters;
      for (size_t i = 0; i < n; ++i) {
        const bool keep = words.w[i % 4][i / 4] >= a.threshold;
        y[c + i] = keep ? x[c + i] * a.scale : 0.0f;
      }
    }
  }
}

}  // namespace

void add_dropout(SimdTable& table) { table.dropout = dropout; }

}  // namespace prerank::cpu::PRERANK_ISA
