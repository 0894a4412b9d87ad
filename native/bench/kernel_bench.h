// Times single operations on one thread, outside any program: kernels of the registry, and what a step does besides.
#pragma once

#include <cstddef>
#include <vector>

#include "bench/sampling.h"
#include "prerank/batch.h"
#include "prerank/parameter_store.h"
#include "prerank/plan.h"
#include "prerank/status.h"

namespace prerank::bench {

// Every operation of the plan's only segment, tile after tile over the batch, on uniform values in [0.1, 1). As in a
// program, tile values are one tile's memory used again and again; full and input values span the batch.
Result<std::vector<double>> time_kernel(const Plan& plan, const Batch& batch, const Sampling& sampling,
                                        bool bfloat16_products);

// The radix sort that groups the ids of the plan's first table by row.
Result<std::vector<double>> time_table_index(const Plan& plan, const Batch& batch, const Sampling& sampling);

// The fused gradient sum and update of the rows of the plan's first table that the batch touches.
Result<std::vector<double>> time_sparse_update(const Plan& plan, const Batch& batch, const SparseOptimizer& optimizer,
                                               const Sampling& sampling);

// The update of `count` dense parameters.
Result<std::vector<double>> time_dense_update(size_t count, const DenseOptimizer& optimizer, const Sampling& sampling);

}  // namespace prerank::bench
