// Threads that work on one job until it is done or one of them fails.
#pragma once

#include <cstddef>
#include <functional>

#include "prerank/status.h"

namespace prerank::ingest {

// Calls work(0), …, work(count - 1), each on a thread, the first on the caller's. When one fails, `stop` is called once,
// from any thread, to make the others end early. Returns the failure that came first.
Status run_workers(size_t count, const std::function<Status(size_t)>& work, const std::function<void()>& stop);

}  // namespace prerank::ingest
