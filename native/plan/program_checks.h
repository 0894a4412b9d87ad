// What every device checks of a program's settings and of a step's losses.
#pragma once

#include <span>

#include "plan/batch_check.h"
#include "prerank/kernel.h"
#include "prerank/plan.h"
#include "prerank/program.h"
#include "prerank/status.h"

namespace prerank {

Status check_options(const ProgramOptions& options);

// The largest batch that a program takes.
BatchLimits batch_limits(const Plan& plan, const ProgramOptions& options);

// kNonFinite naming the task, the number of rows and the first of them, when a loss is not finite.
Status check_losses(const Plan& plan, std::span<const TaskStats> stats);


}  // namespace prerank
