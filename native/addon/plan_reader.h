// A plan given from JavaScript (src/runtime/plan.ts) as prerank::Plan.
#pragma once

#include <napi.h>

#include "prerank/plan.h"

namespace prerank::addon {

// Throws when a field is missing or of the wrong type; what the plan means is checked by Program::create.
Plan read_plan(Napi::Value value);

}  // namespace prerank::addon
