// The Loader class of the addon.
#pragma once

#include <napi.h>

#include <memory>

#include "prerank/loader.h"

namespace prerank::addon {

// The loader behind a Loader object; throws when `value` is anything else or was closed. Shared, so that closing the
// object while a program's thread still reads from the loader is harmless.
std::shared_ptr<Loader> unwrap_loader(Napi::Value value);

}  // namespace prerank::addon
