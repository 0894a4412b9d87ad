// The ParameterStore class of the addon.
#pragma once

#include <napi.h>

#include <memory>

#include "prerank/parameter_store.h"

namespace prerank::addon {

// The store behind a ParameterStore object; throws when `value` is anything else.
std::shared_ptr<ParameterStore> unwrap_store(Napi::Value value);

}  // namespace prerank::addon
