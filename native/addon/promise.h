// Work off the event loop, with promises: JobQueue for objects that run one job after the other on a thread of their
// own, promise_on_thread and promise_on_pool for independent functions that take long or not.
#pragma once

#include <napi.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "prerank/status.h"

namespace prerank::addon {

// The two halves of a promise. `work` runs on another thread and must touch no JavaScript; afterwards `result` makes
// the value on the event loop, unless work failed: then the promise is rejected with the status' error.
struct Job {
  std::function<Status()> work;
  std::function<Napi::Value(Napi::Env)> result;
  // Objects that must stay alive until the promise is settled.
  std::vector<Napi::ObjectReference> keep;
};

// A thread that runs the jobs of one JavaScript object in order. It is started by the first job and keeps the event
// loop alive only while a job is pending. When the environment ends, `stop` is called, so that the running job ends
// early, the thread is joined, and jobs that were not settled are dropped. All methods: on the environment's thread.
class JobQueue {
 public:
  JobQueue(Napi::Env env, const char* name, std::function<void()> stop);
  ~JobQueue();
  JobQueue(const JobQueue&) = delete;
  JobQueue& operator=(const JobQueue&) = delete;

  Napi::Promise submit(Job job);
  // Jobs whose promise is not settled.
  size_t pending() const { return pending_; }

 private:
  struct Entry {
    Job job;
    Napi::Promise::Deferred deferred;
    Status status;
  };
  static void on_wake(Napi::Env env, Napi::Function callback, JobQueue* queue, void* data);
  static void on_environment_end(void* queue);
  using Wake = Napi::TypedThreadSafeFunction<JobQueue, void, &JobQueue::on_wake>;

  void start();
  void work();
  void settle_finished(Napi::Env env);
  void shut_down();

  Napi::Env env_;
  const char* name_;
  std::function<void()> stop_;
  size_t pending_ = 0;
  bool started_ = false;
  bool closed_ = false;
  Wake wake_;
  std::thread thread_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  bool stopping_ = false;
  std::vector<std::unique_ptr<Entry>> waiting_;
  std::vector<std::unique_ptr<Entry>> finished_;
};

// Runs one job on a thread of its own, which is asked to `stop` when the environment ends: any thread.
Napi::Promise promise_on_thread(Napi::Env env, const char* name, std::function<void()> stop, Job job);

// Runs one job on libuv's pool. An environment that ends waits for it.
Napi::Promise promise_on_pool(Napi::Env env, const char* name, Job job);

}  // namespace prerank::addon
