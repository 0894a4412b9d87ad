#include "cpu/dispatch.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <string_view>

#include "cpu/simd/table.h"

namespace prerank::cpu {
namespace {

#if defined(__x86_64__)
// Whether the processor multiplies tiles of bfloat16, and the system grants them to this process.
bool tiles_allowed() {
  constexpr unsigned int kTileBf16 = 1u << 22, kTile = 1u << 24;  // CPUID 7, EDX
  constexpr long kRequestPermission = 0x1023, kTileData = 18;     // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  unsigned int a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  return (d & kTileBf16) != 0 && (d & kTile) != 0 && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif

bool supported(Isa isa) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (isa == Isa::kAvx2) return __builtin_cpu_supports("x86-64-v3") != 0;
  const bool avx512 = __builtin_cpu_supports("x86-64-v4") != 0;
  if (isa == Isa::kAvx512) return avx512;
  const bool bfloat16 = avx512 && __builtin_cpu_supports("avx512bf16") != 0;
  if (isa == Isa::kAvx512Bf16) return bfloat16;
  if (isa == Isa::kAmx) return bfloat16 && tiles_allowed();
#endif
  return isa == Isa::kBaseline;
}

Isa cap_from_environment() {
  const char* value = std::getenv("PRERANK_ISA");
  const std::string_view name = value == nullptr ? "" : value;
  for (const Isa isa : kIsas) {
    if (name == name_of(isa)) return isa;
  }
  return Isa::kAmx;
}

Isa choose() {
  const Isa cap = cap_from_environment();
  Isa best = Isa::kBaseline;
  for (const Isa isa : kIsas) {
    if (isa <= cap && supported(isa)) best = isa;
  }
  return best;
}

std::atomic<Isa>& current() {
  static std::atomic<Isa> isa{choose()};
  return isa;
}

}  // namespace

Isa isa() { return current().load(std::memory_order_relaxed); }

const char* name_of(Isa isa) {
  switch (isa) {
    case Isa::kAmx:
      return "amx";
    case Isa::kAvx512Bf16:
      return "avx512bf16";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kBaseline:
      break;
  }
#if defined(__aarch64__)
  return "neon";
#else
  return "baseline";
#endif
}

const char* active_isa() { return name_of(isa()); }

#if defined(__x86_64__)
namespace {

// The table for AVX-512 with other products.
SimdTable wide_table(void (*add_products)(SimdTable& table)) {
  SimdTable table = avx512::make_table();
  add_products(table);
  return table;
}

}  // namespace
#endif

const SimdTable& simd() {
  // One table each, made at its first use: even filling a table may take the instructions of its set.
#if defined(__x86_64__)
  if (isa() == Isa::kAmx) {
    static const SimdTable table = wide_table(amx::add_tile_products);
    return table;
  }
  if (isa() == Isa::kAvx512Bf16) {
    static const SimdTable table = wide_table(avx512bf16::add_bfloat16_products);
    return table;
  }
  if (isa() == Isa::kAvx512) {
    static const SimdTable table = avx512::make_table();
    return table;
  }
  if (isa() == Isa::kAvx2) {
    static const SimdTable table = avx2::make_table();
    return table;
  }
#endif
  static const SimdTable table = baseline::make_table();
  return table;
}

bool set_isa_for_test(Isa isa) {
  if (!supported(isa)) return false;
  current().store(isa, std::memory_order_relaxed);
  return true;
}

}  // namespace prerank::cpu
