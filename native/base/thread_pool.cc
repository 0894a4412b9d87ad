#include "base/thread_pool.h"

#include <string>
#include <system_error>

#include "base/cpu_info.h"
#include "base/flush_subnormals.h"

namespace prerank {
namespace {

constexpr size_t kMaxWorkers = 1024;
constexpr int kSpins = 4000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

// Returns when `value` differs from `old`.
void wait_for_change(const std::atomic<uint32_t>& value, uint32_t old, int spins) {
  for (int i = 0; i < spins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause();
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

Result<std::unique_ptr<ThreadPool>> ThreadPool::create(size_t workers) {
  if (workers < 1 || workers > kMaxWorkers) {
    return Status(Code::kInvalidArgument,
                  "threads must be between 1 and " + std::to_string(kMaxWorkers) + ", got " + std::to_string(workers));
  }
  std::unique_ptr<ThreadPool> pool(new ThreadPool());
  // With more workers than cores, spinning only keeps the others from running.
  pool->spins_ = workers <= usable_cores() ? kSpins : 0;
  pool->threads_.reserve(workers - 1);
  for (size_t worker = 1; worker < workers; ++worker) {
    try {
      pool->threads_.emplace_back([raw = pool.get(), worker] { raw->work(worker); });
    } catch (const std::system_error& error) {
      return Status(Code::kOutOfMemory, "could not start thread " + std::to_string(worker + 1) + " of " +
                                            std::to_string(workers) + ": " + error.what());
    }
  }
  return pool;
}

ThreadPool::~ThreadPool() {
  stopping_ = true;
  region_.fetch_add(1, std::memory_order_release);
  region_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::dispatch(Invoke invoke, void* context) {
  const FlushSubnormals flush;
  if (threads_.empty()) {
    invoke(context, 0);
    return;
  }
  invoke_ = invoke;
  context_ = context;
  running_.store(static_cast<uint32_t>(threads_.size()), std::memory_order_relaxed);
  region_.fetch_add(1, std::memory_order_release);
  region_.notify_all();
  invoke(context, 0);
  for (uint32_t left = running_.load(std::memory_order_acquire); left != 0;
       left = running_.load(std::memory_order_acquire)) {
    wait_for_change(running_, left, spins_);
  }
}

void ThreadPool::work(size_t worker) {
  const FlushSubnormals flush;
  uint32_t seen = 0;
  for (;;) {
    wait_for_change(region_, seen, spins_);
    seen = region_.load(std::memory_order_acquire);
    if (stopping_) return;
    invoke_(context_, worker);
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) running_.notify_one();
  }
}

}  // namespace prerank
