// What operations without code require: that their operands share memory already.
#pragma once

#include "cpu/operands.h"

namespace prerank::cpu {

// Every input lies in the only output.
Status check_concat(const KernelBuild& build);
// The only output lies in the only input.
Status check_part(const KernelBuild& build);

}  // namespace prerank::cpu
