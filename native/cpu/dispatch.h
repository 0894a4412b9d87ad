// Which instruction set the numeric loops of native/cpu/simd run with, decided once per process.
#pragma once

#include <cstdint>

namespace prerank::cpu {

struct SimdTable;

// kBaseline is what every processor of the architecture has: SSE4.2, or NEON on 64-bit Arm, which has nothing else.
enum class Isa : uint8_t { kBaseline, kAvx2, kAvx512 };

// The best this processor can do, capped by the environment variable PRERANK_ISA (baseline | avx2 | avx512; other
// values are ignored).
Isa isa();

// Name of isa(), as written to state.json: "baseline", "avx2" or "avx512"; "neon" on Arm.
const char* active_isa();

// The functions compiled for isa().
const SimdTable& simd();

// Tests only: switches the table to `isa`; false, and nothing changes, when the processor lacks it.
bool set_isa_for_test(Isa isa);

}  // namespace prerank::cpu
