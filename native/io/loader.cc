#include "prerank/loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "io/batch_assembler.h"
#include "io/loader_plan.h"
#include "io/row_order.h"

namespace prerank {
namespace {

// Batches are numbered through all epochs. Each thread takes the next number, waits until its place in the ring is
// free, and assembles the batch there; next() hands them out by number.
class LoaderImpl final : public Loader {
 public:
  explicit LoaderImpl(LoaderPlan plan)
      : plan_(std::move(plan)),
        order_(plan_.dataset->rows(), plan_.options.shuffle, plan_.options.window_rows, plan_.options.seed,
               plan_.options.epochs),
        per_epoch_((plan_.dataset->rows() + plan_.options.batch_size - 1) / plan_.options.batch_size),
        end_(per_epoch_ * plan_.options.epochs),
        ring_(plan_.options.prefetch + 1) {}

  Status start() {
    const size_t threads = std::min(plan_.options.threads, plan_.options.prefetch);
    try {
      order_.start();
      for (size_t t = 0; t < threads; ++t) threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      return {Code::kOutOfMemory, "the system refuses a loader thread"};
    }
    return {};
  }

  ~LoaderImpl() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    room_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  Result<const Batch*> next() override {
    std::unique_lock lock(mutex_);
    released_ = handed_out_;
    room_.notify_all();
    if (failed_ || handed_out_ == end_) return static_cast<const Batch*>(nullptr);
    Place& place = ring_[handed_out_ % ring_.size()];
    if (place.ready != handed_out_) {
      const auto before = std::chrono::steady_clock::now();
      done_.wait(lock, [&] { return place.ready == handed_out_; });
      stats_.wait_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
    }
    if (!place.status.ok()) {
      failed_ = true;
      return place.status;
    }
    ++handed_out_;
    ++stats_.batches;
    stats_.rows += place.buffers.batch.rows;
    stats_.bytes_gathered += place.buffers.bytes;
    return static_cast<const Batch*>(&place.buffers.batch);
  }

  Cursor consumed() const override {
    const std::lock_guard lock(mutex_);
    return per_epoch_ == 0 ? Cursor{} : Cursor{handed_out_ / per_epoch_, handed_out_ % per_epoch_};
  }

  Status seek(Cursor cursor) override {
    std::unique_lock lock(mutex_);
    const bool at_end = cursor.epoch == plan_.options.epochs && cursor.batch == 0;
    if (!at_end && (cursor.epoch >= plan_.options.epochs || cursor.batch >= std::max<uint64_t>(per_epoch_, 1))) {
      return {Code::kOutOfRange, "there is no batch " + std::to_string(cursor.batch) + " of epoch " +
                                     std::to_string(cursor.epoch) + ": the loader has " +
                                     std::to_string(plan_.options.epochs) + " epochs of " + std::to_string(per_epoch_) +
                                     " batches"};
    }
    seeking_ = true;
    done_.wait(lock, [&] { return assembling_ == 0; });
    seeking_ = false;
    handed_out_ = released_ = claimed_ = cursor.epoch * per_epoch_ + cursor.batch;
    for (Place& place : ring_) place.ready = kNothing;
    failed_ = false;
    room_.notify_all();
    return {};
  }

  uint64_t batches_per_epoch() const override { return per_epoch_; }

  LoaderStats stats() const override {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  static constexpr uint64_t kNothing = static_cast<uint64_t>(-1);

  struct Place {
    uint64_t ready = kNothing;  // number of the batch that is assembled here
    Status status;
    BatchBuffers buffers;
  };

  void work() {
    BatchAssembler assembler(plan_, order_);
    std::unique_lock lock(mutex_);
    for (;;) {
      room_.wait(lock,
                 [&] { return stopping_ || (!seeking_ && claimed_ < end_ && claimed_ - released_ < ring_.size()); });
      if (stopping_) return;
      const uint64_t number = claimed_++;
      ++assembling_;
      Place& place = ring_[number % ring_.size()];
      lock.unlock();
      const size_t first = (number % per_epoch_) * plan_.options.batch_size;
      const size_t count = std::min(plan_.options.batch_size, plan_.dataset->rows() - first);
      Status status = assembler.assemble(number / per_epoch_, first, count, place.buffers);
      lock.lock();
      place.status = std::move(status);
      place.ready = number;
      --assembling_;
      ++stats_.assembled;
      stats_.gather_seconds += place.buffers.gather_seconds;
      stats_.index_seconds += place.buffers.index_seconds;
      done_.notify_all();
    }
  }

  const LoaderPlan plan_;
  RowOrder order_;
  const uint64_t per_epoch_;
  const uint64_t end_;

  mutable std::mutex mutex_;
  std::condition_variable room_;  // a place became free, or everything stops
  std::condition_variable done_;  // a batch is assembled
  std::vector<Place> ring_;
  uint64_t claimed_ = 0;     // batches below are assembled or being assembled
  uint64_t handed_out_ = 0;  // batches below were returned by next()
  uint64_t released_ = 0;    // batches below are no longer read by the caller
  size_t assembling_ = 0;
  bool seeking_ = false;
  bool stopping_ = false;
  bool failed_ = false;
  LoaderStats stats_;
  std::vector<std::thread> threads_;
};

}  // namespace

Result<std::unique_ptr<Loader>> Loader::create(std::shared_ptr<Dataset> dataset, LoaderOptions options) {
  PRERANK_ASSIGN_OR_RETURN(LoaderPlan plan, LoaderPlan::create(std::move(dataset), std::move(options)));
  auto loader = std::make_unique<LoaderImpl>(std::move(plan));
  PRERANK_RETURN_IF_ERROR(loader->start());
  return std::unique_ptr<Loader>(std::move(loader));
}

}  // namespace prerank
