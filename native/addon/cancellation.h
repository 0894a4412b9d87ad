// Cancellation: what JavaScript holds to stop work that runs on another thread.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>

namespace prerank::addon {

using StopFlag = std::shared_ptr<std::atomic<bool>>;

// The flag of a Cancellation; a flag of its own for undefined. Throws for anything else.
StopFlag stop_flag_of(Napi::Value cancellation);

}  // namespace prerank::addon
