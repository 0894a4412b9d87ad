#include "ingest/workers.h"

#include <exception>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace prerank::ingest {
namespace {

// Containers throw when memory is short; nothing may leave a thread.
Status guarded(const std::function<Status(size_t)>& work, size_t worker) noexcept {
  try {
    return work(worker);
  } catch (const std::bad_alloc&) {
    return {Code::kOutOfMemory, "out of memory"};
  } catch (const std::exception& error) {
    return {Code::kInternal, error.what()};
  }
}

}  // namespace

Status run_workers(size_t count, const std::function<Status(size_t)>& work, const std::function<void()>& stop) {
  std::mutex mutex;
  Status first;
  const auto fail = [&](Status status) {
    {
      const std::lock_guard lock(mutex);
      if (!first.ok()) return;
      first = std::move(status);
    }
    stop();
  };
  const auto run = [&](size_t worker) {
    Status status = guarded(work, worker);
    if (!status.ok()) fail(std::move(status));
  };
  std::vector<std::thread> threads;
  threads.reserve(count);
  bool started = true;
  for (size_t worker = 1; worker < count && started; ++worker) {
    try {
      threads.emplace_back(run, worker);
    } catch (const std::system_error& error) {
      fail({Code::kOutOfMemory, std::string("could not start a thread: ") + error.what()});
      started = false;
    }
  }
  if (started && count > 0) run(0);
  for (std::thread& thread : threads) thread.join();
  return first;
}

}  // namespace prerank::ingest
