// Which rows of a batch made a loss non-finite, for error messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "prerank/batch.h"
#include "prerank/kernel.h"
#include "prerank/plan.h"

namespace prerank {

// Up to `limit` rows, ascending: the first row of each task with a non-finite loss, and rows whose dense inputs, weight
// or (where the mask is set) targets are not finite. Rows of the dataset when the batch knows them, else of the batch.
std::vector<uint32_t> offending_rows(const Plan& plan, const Batch& batch, std::span<const TaskStats> stats,
                                     size_t limit);

}  // namespace prerank
