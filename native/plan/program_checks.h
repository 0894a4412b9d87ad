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

// Rows of the last batch and requests in it: what outputs have one row for.
struct OutputRows {
  size_t rows = 0, requests = 0;
};

// The value of an output of which `size` elements are asked for. kOutOfRange, kInvalidArgument for another size.
Result<size_t> output_value(const Plan& plan, size_t output, size_t size, const OutputRows& batch);

// Clipping divides by the norm plus this, as torch.nn.utils.clip_grad_norm_.
inline constexpr double kClipEpsilon = 1e-6;

// kNonFinite naming the task, the number of rows and the first of them, when a loss is not finite.
Status check_losses(const Plan& plan, std::span<const TaskStats> stats);


}  // namespace prerank
