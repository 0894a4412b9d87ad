// The tensors of a device's store as the parts of a program take them: in the order of the plan.
#pragma once

#include <vector>

#include "cuda/dense_update.h"
#include "cuda/device_store.h"
#include "cuda/memory.h"
#include "cuda/sparse_update.h"
#include "prerank/parameter_store.h"
#include "prerank/plan.h"

namespace prerank::cuda {

// Of the lookups, per Plan::tables.
Result<std::vector<TableView>> looked_up_tables(const Plan& plan, const ParameterStore& store,
                                                const DeviceStore& tensors);
// Of the tables whose rows may lie in the cache, per Plan::tables; null for the others.
Result<std::vector<const CachedTable*>> cached_tables(const Plan& plan, const ParameterStore& store,
                                                      const DeviceStore& tensors);
// Of the update, per Plan::tables.
Result<std::vector<DeviceTable>> updated_tables(const Plan& plan, const ParameterStore& store,
                                                const DeviceStore& tensors);
// Dense parameters that have a gradient.
Result<std::vector<DenseTarget>> dense_targets(const Plan& plan, const ParameterStore& store,
                                               const DeviceStore& tensors, const DeviceMemory& memory);

}  // namespace prerank::cuda
