// Whether a batch fits a plan: counts and presence of its arrays. Their contents are checked where they are made.
#pragma once

#include <cstddef>

#include "prerank/batch.h"
#include "prerank/plan.h"
#include "prerank/status.h"

namespace prerank {

struct BatchLimits {
  size_t rows = 0;
  size_t requests = 0;
  bool request_domain = false;  // the plan has the request domain
};

// `training`: masks, targets and normalisers; `indexed`: also the table index of every table. Allocates only on error.
Status check_batch(const Plan& plan, const Batch& batch, const BatchLimits& limits, bool training, bool indexed);

}  // namespace prerank
