// The sizes that batches have on the device. There are few of them, since a captured graph is for one: a batch gets rows
// behind its own, copies of its last one that train no task, and so contribute 0 to every sum.
#pragma once

#include <cstddef>

#include "plan/batch_check.h"

namespace prerank::cuda {

struct BatchSize {
  size_t rows = 0, requests = 0;
  bool operator==(const BatchSize&) const = default;
};

// At least `size` and within the limits (which hold for `size`); nothing stays nothing. From the capacity to its half
// there are eight sizes, and as many in each half below, so that less than an eighth is added. Requests, of which there
// are often few for the rows, may get a 64th of the rows more instead.
BatchSize padded_size(const BatchSize& size, const BatchLimits& limits);

}  // namespace prerank::cuda
