// The Dataset class of the addon.
#pragma once

#include <napi.h>

#include <memory>

#include "prerank/dataset.h"

namespace prerank::addon {

// The dataset behind a Dataset object; throws when `value` is anything else. Its memory belongs to JavaScript: keep the
// object itself referenced as long as the dataset is read.
std::shared_ptr<Dataset> unwrap_dataset(Napi::Value value);

}  // namespace prerank::addon
