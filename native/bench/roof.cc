#include "bench/roof.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/aligned_buffer.h"
#include "bench/sampling.h"
#include "cpu/dispatch.h"
#include "cpu/simd/table.h"

namespace prerank::bench {
namespace {

// Independent multiply-adds in flight: latency 4 times 2 units, with room.
constexpr size_t kChains = 16;
constexpr size_t kFewChains = 12;  // where there are 16 registers
constexpr size_t kRounds = 4096;
constexpr size_t kRepetitions = 5;

// Keeps the compiler from dropping what led to `value`.
void keep(float value) { asm volatile("" : : "m"(value) : "memory"); }

struct Loops {
  double flops = 0;           // of one call of multiply_add
  void (*multiply_add)() = nullptr;
  float (*sum)(const float* values, size_t count) = nullptr;  // count is a multiple of 256
};

#if defined(__x86_64__)

__attribute__((target("avx512f"))) void multiply_add_avx512() {
  __m512 sums[kChains];
  for (__m512& sum : sums) sum = _mm512_set1_ps(1.0f);
  const __m512 factor = _mm512_set1_ps(0.9999f), term = _mm512_set1_ps(0.0001f);
  for (size_t i = 0; i < kRounds; ++i) {
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(sum, factor, term);
  }
  for (const __m512 sum : sums) keep(_mm512_cvtss_f32(sum));
}

__attribute__((target("avx512f"))) float sum_avx512(const float* values, size_t count) {
  __m512 sums[8];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  for (size_t i = 0; i < count; i += 128) {
    for (size_t k = 0; k < 8; ++k) sums[k] = _mm512_add_ps(sums[k], _mm512_loadu_ps(values + i + 16 * k));
  }
  for (size_t k = 1; k < 8; ++k) sums[0] = _mm512_add_ps(sums[0], sums[k]);
  return _mm512_cvtss_f32(sums[0]);
}

__attribute__((target("avx2,fma"))) void multiply_add_avx2() {
  __m256 sums[kFewChains];
  for (__m256& sum : sums) sum = _mm256_set1_ps(1.0f);
  const __m256 factor = _mm256_set1_ps(0.9999f), term = _mm256_set1_ps(0.0001f);
  for (size_t i = 0; i < kRounds; ++i) {
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(sum, factor, term);
  }
  for (const __m256 sum : sums) keep(_mm256_cvtss_f32(sum));
}

__attribute__((target("avx2"))) float sum_avx2(const float* values, size_t count) {
  __m256 sums[8];
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  for (size_t i = 0; i < count; i += 64) {
    for (size_t k = 0; k < 8; ++k) sums[k] = _mm256_add_ps(sums[k], _mm256_loadu_ps(values + i + 8 * k));
  }
  for (size_t k = 1; k < 8; ++k) sums[0] = _mm256_add_ps(sums[0], sums[k]);
  return _mm256_cvtss_f32(sums[0]);
}

constexpr double kTileFlops = 4.0 * kRounds * 2 * 16 * 16 * 32;

// Four independent sums of tiles of zeros.
__attribute__((target("amx-tile,amx-bf16"))) void multiply_tiles() {
  alignas(64) uint8_t shapes[64] = {1};
  for (size_t tile = 0; tile < 8; ++tile) shapes[16 + 2 * tile] = 64, shapes[48 + tile] = 16;
  asm volatile("" : : "m"(shapes) : "memory");
  _tile_loadconfig(shapes);
  for (size_t i = 0; i < kRounds; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
}

#endif

// Vectors of four: what every instruction set has, multiply and add apart.
void multiply_add_baseline() {
  using Four = float __attribute__((vector_size(16)));
  Four sums[kFewChains];
  for (Four& sum : sums) sum = Four{1, 1, 1, 1};
  const Four factor = {0.9999f, 0.9999f, 0.9999f, 0.9999f}, term = factor - 0.9998f;
  for (size_t i = 0; i < kRounds; ++i) {
    for (Four& sum : sums) sum = sum * factor + term;
  }
  for (const Four& sum : sums) keep(sum[0]);
}

float sum_baseline(const float* values, size_t count) {
  using Four = float __attribute__((vector_size(16)));
  Four sums[8] = {};
  for (size_t i = 0; i < count; i += 32) {
    for (size_t k = 0; k < 8; ++k) {
      Four next;
      std::memcpy(&next, values + i + 4 * k, sizeof(next));
      sums[k] += next;
    }
  }
  for (size_t k = 1; k < 8; ++k) sums[0] += sums[k];
  return sums[0][0];
}

Loops loops() {
  constexpr double kRoundFlops = 2.0 * kRounds;
#if defined(__x86_64__)
  if (cpu::isa() >= cpu::Isa::kAvx512) return {kRoundFlops * kChains * 16, multiply_add_avx512, sum_avx512};
  if (cpu::isa() == cpu::Isa::kAvx2) return {kRoundFlops * kFewChains * 8, multiply_add_avx2, sum_avx2};
#endif
  return {kRoundFlops * kFewChains * 4, multiply_add_baseline, sum_baseline};
}

template <class Work>
double best_seconds(double at_least, Work&& work) {
  const std::vector<double> seconds = sample({.warm_up = 1, .samples = kRepetitions, .at_least = at_least}, work);
  return *std::ranges::min_element(seconds);
}

Result<Bandwidth> measure_bandwidth(const Loops& loops, size_t bytes) {
  PRERANK_ASSIGN_OR_RETURN(const AlignedBuffer buffer, AlignedBuffer::allocate(bytes));
  std::ranges::fill(buffer.as<float>(), 1.0f);
  const size_t half = bytes / 2;
  auto* const start = static_cast<uint8_t*>(buffer.data());
  Bandwidth result{bytes, 0, 0};
  const auto total = static_cast<double>(bytes);
  result.read = total / best_seconds(5e-3, [&] { keep(loops.sum(buffer.as<float>().data(), bytes / sizeof(float))); });
  result.copy = total / best_seconds(5e-3, [&] {
                  std::memcpy(start + half, start, half);
                  asm volatile("" : : : "memory");
                });
  return result;
}

// Products in tiles a second, 0 without tiles.
double tile_flops() {
#if defined(__x86_64__)
  if (cpu::isa() == cpu::Isa::kAmx) return kTileFlops / best_seconds(5e-3, multiply_tiles);
#endif
  return 0;
}

}  // namespace

Result<Roof> measure_roof() {
  const Loops chosen = loops();
  Roof roof;
  roof.flops = chosen.flops / best_seconds(5e-3, [&] { chosen.multiply_add(); });
  const double tiles = tile_flops();
  const auto products = [&](const cpu::ProductFunctions& functions) {
    return functions.tile_products == 0 ? roof.flops : tiles / functions.tile_products;
  };
  roof.float32_products = products(cpu::simd().float32_products);
  roof.bfloat16_products = products(cpu::simd().bfloat16_products);
  for (const size_t kib : {16, 256, 512, 1024, 2048, 8192, 32768, 262144}) {
    PRERANK_ASSIGN_OR_RETURN(const Bandwidth bandwidth, measure_bandwidth(chosen, kib << 10));
    roof.bandwidth.push_back(bandwidth);
  }
  return roof;
}

}  // namespace prerank::bench
