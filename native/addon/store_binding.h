// The ParameterStore class of the addon.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "prerank/parameter_store.h"

namespace prerank::addon {

// The store behind a ParameterStore object; throws when `value` is anything else.
std::shared_ptr<ParameterStore> unwrap_store(Napi::Value value);

// SparseOptimizerSettings and DenseOptimizerSettings of src/runtime/native.ts; `what` is the name in messages.
SparseOptimizer read_sparse_optimizer(Napi::Value value, const std::string& what);
DenseOptimizer read_dense_optimizer(Napi::Value value, const std::string& what);

}  // namespace prerank::addon
