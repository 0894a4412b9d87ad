#include "addon/promise.h"

#include <system_error>
#include <utility>

#include "addon/errors.h"

namespace prerank::addon {
namespace {

void settle(Napi::Env env, const Napi::Promise::Deferred& deferred, const Job& job, const Status& status) {
  if (!status.ok()) {
    deferred.Reject(make_error(env, status).Value());
    return;
  }
  Napi::Value value;
  try {
    value = job.result(env);
  } catch (const Napi::Error& error) {
    deferred.Reject(error.Value());
    return;
  }
  deferred.Resolve(value);
}

// One job on libuv's pool; deletes itself when it is done.
class PoolJob : public Napi::AsyncWorker {
 public:
  PoolJob(Napi::Env env, const char* name, Job job)
      : Napi::AsyncWorker(env, name), job_(std::move(job)), deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { status_ = guarded(job_.work); }
  void OnOK() override { settle(Env(), deferred_, job_, status_); }

 private:
  Job job_;
  Napi::Promise::Deferred deferred_;
  Status status_;
};

}  // namespace

Napi::Promise promise_on_pool(Napi::Env env, const char* name, Job job) {
  auto work = std::make_unique<PoolJob>(env, name, std::move(job));
  const Napi::Promise promise = work->promise();
  work->Queue();
  static_cast<void>(work.release());
  return promise;
}

// The job's value holds the queue, so both go when the promise is settled or the environment ends.
Napi::Promise promise_on_thread(Napi::Env env, const char* name, std::function<void()> stop, Job job) {
  auto queue = std::make_shared<JobQueue>(env, name, std::move(stop));
  JobQueue& thread = *queue;
  job.result = [queue, result = std::move(job.result)](Napi::Env of) { return result(of); };
  return thread.submit(std::move(job));
}

JobQueue::JobQueue(Napi::Env env, const char* name, std::function<void()> stop)
    : env_(env), name_(name), stop_(std::move(stop)) {}

JobQueue::~JobQueue() {
  if (!started_ || closed_) return;
  napi_remove_env_cleanup_hook(env_, &JobQueue::on_environment_end, this);
  shut_down();
}

Napi::Promise JobQueue::submit(Job job) {
  if (closed_) check(env_, Status(Code::kCancelled, std::string(name_) + ": the environment is ending"));
  if (!started_) start();
  auto entry = std::make_unique<Entry>(Entry{std::move(job), Napi::Promise::Deferred::New(env_), Status()});
  const Napi::Promise promise = entry->deferred.Promise();
  if (pending_++ == 0) wake_.Ref(env_);
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(entry));
  }
  changed_.notify_one();
  return promise;
}

// The cleanup hook is added after the thread-safe function, so it runs before the function is torn down.
void JobQueue::start() {
  wake_ = Wake::New(env_, name_, 0, 1, this);
  wake_.Unref(env_);
  try {
    thread_ = std::thread([this] { work(); });
  } catch (const std::system_error& error) {
    wake_.Abort();
    check(env_, Status(Code::kOutOfMemory, std::string(name_) + ": could not start a thread: " + error.what()));
  }
  napi_add_env_cleanup_hook(env_, &JobQueue::on_environment_end, this);
  started_ = true;
}

void JobQueue::work() {
  for (;;) {
    std::unique_ptr<Entry> entry;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      entry = std::move(waiting_.front());
      waiting_.erase(waiting_.begin());
    }
    entry->status = guarded(entry->job.work);
    const std::lock_guard lock(mutex_);
    finished_.push_back(std::move(entry));
    if (!stopping_) wake_.NonBlockingCall();
  }
}

void JobQueue::on_wake(Napi::Env env, Napi::Function /*callback*/, JobQueue* queue, void* /*data*/) {
  if (static_cast<napi_env>(env) == nullptr) return;  // the function is being torn down: the queue may be gone
  queue->settle_finished(env);
}

void JobQueue::settle_finished(Napi::Env env) {
  std::vector<std::unique_ptr<Entry>> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  if (finished.empty()) return;
  pending_ -= finished.size();
  if (pending_ == 0) wake_.Unref(env);
  for (const auto& entry : finished) settle(env, entry->deferred, entry->job, entry->status);
}

void JobQueue::on_environment_end(void* queue) { static_cast<JobQueue*>(queue)->shut_down(); }

void JobQueue::shut_down() {
  closed_ = true;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (stop_) stop_();
  thread_.join();
  wake_.Abort();
  // Last, since a job may hold the queue.
  const auto waiting = std::move(waiting_);
  const auto finished = std::move(finished_);
}

}  // namespace prerank::addon
