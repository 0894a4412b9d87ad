// Workers for parallel regions: the threads of one program.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

#include "prerank/status.h"

namespace prerank {

// `workers` workers, of which the thread that calls run() is worker 0. One thread at a time may call run().
// A region allocates nothing; waits spin for a few microseconds before they sleep. Workers compute without subnormal
// numbers (flush_subnormals.h).
class ThreadPool {
 public:
  // kInvalidArgument for no or too many workers, kOutOfMemory when the system refuses a thread.
  static Result<std::unique_ptr<ThreadPool>> create(size_t workers);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t workers() const { return threads_.size() + 1; }

  // Calls region(worker) once for each worker, in parallel, and returns when all have returned. It must not throw.
  template <class Region>
  void run(Region&& region) {
    using Plain = std::remove_reference_t<Region>;
    dispatch([](void* context, size_t worker) { (*static_cast<Plain*>(context))(worker); },
             const_cast<void*>(static_cast<const void*>(&region)));
  }

 private:
  using Invoke = void (*)(void* context, size_t worker);

  ThreadPool() = default;
  void dispatch(Invoke invoke, void* context);
  void work(size_t worker);

  Invoke invoke_ = nullptr;
  void* context_ = nullptr;
  int spins_ = 0;
  bool stopping_ = false;
  alignas(64) std::atomic<uint32_t> region_{0};   // number of the current region
  alignas(64) std::atomic<uint32_t> running_{0};  // workers that have not finished it
  std::vector<std::thread> threads_;
};

// The part of [0, count) that falls to `worker` of `workers`: contiguous, sizes differ by at most one.
struct Share {
  size_t begin = 0;
  size_t end = 0;
};
constexpr Share share_of(size_t count, size_t worker, size_t workers) {
  const size_t each = count / workers, extra = count % workers;
  const size_t begin = worker * each + (worker < extra ? worker : extra);
  return {begin, begin + each + (worker < extra ? 1 : 0)};
}

}  // namespace prerank
