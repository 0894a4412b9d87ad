// Which instruction set the numeric loops of native/cpu/simd run with, decided once per process.
#pragma once

#include <cstdint>

namespace prerank::cpu {

struct SimdTable;

// kBaseline is what every processor of the architecture has: SSE4.2, or NEON on 64-bit Arm, which has nothing else.
// kAvx512Bf16 is kAvx512 with an instruction for products of bfloat16, kAmx kAvx512Bf16 with one for tiles of them.
enum class Isa : uint8_t { kBaseline, kAvx2, kAvx512, kAvx512Bf16, kAmx };
inline constexpr Isa kIsas[] = {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16, Isa::kAmx};

// The best this processor can do, capped by the environment variable PRERANK_ISA (baseline | avx2 | avx512 |
// avx512bf16 | amx; other values are ignored).
Isa isa();

// Name of isa(), as written to state.json: "baseline" ("neon" on Arm), "avx2", "avx512", "avx512bf16" or "amx".
const char* active_isa();
const char* name_of(Isa isa);

// The functions compiled for isa().
const SimdTable& simd();

// Tests only: switches the table to `isa`; false, and nothing changes, when the processor lacks it.
bool set_isa_for_test(Isa isa);

}  // namespace prerank::cpu
