#include "prerank/ingest.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <mutex>
#include <utility>

#include "ingest/batch_encoder.h"
#include "ingest/encode_worker.h"
#include "ingest/log_reader.h"
#include "ingest/part_queue.h"
#include "ingest/part_results.h"
#include "ingest/reject_log.h"
#include "ingest/seal_file.h"
#include "ingest/workers.h"

namespace prerank {
namespace {

using namespace ingest;

// Of the memory bound: what DuckDB leaves is for the dictionaries, which need theirs again while they are united, and
// for open record batches.
constexpr uint64_t kDictionaryShare = 4;

Status invalid(std::string what) { return {Code::kInvalidArgument, "IngestSpec: " + std::move(what)}; }

Status check_spec(const IngestSpec& spec) {
  if (spec.threads == 0) return invalid("threads must be at least 1");
  if (spec.folder.empty()) return invalid("folder is missing");
  const auto& parts = spec.source.parts;
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string name = "part " + std::to_string(i);
    if (parts[i].head_rows > parts[i].rows) return invalid(name + " has more head rows than rows");
    if (parts[i].head_rows == 0) continue;
    if (i == 0) return invalid("the first part cannot have head rows");
    if (!spec.request_input) return invalid(name + " has head rows, but the log has no requests");
  }
  return {};
}

uint64_t first_request(const IngestSpec& spec) {
  for (const CodeColumn& column : spec.codes) {
    if (column.role == CodeRole::kRequest) return column.first;
  }
  return 0;
}

std::string file_name(size_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < 5) digits.insert(0, 5 - digits.size(), '0');
  return "part-" + digits + ".arrow";
}

// The names of new files are on the disk when the folder is.
Status sync_folder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  return synced ? Status() : Status(Code::kIoError, folder + ": cannot sync to the disk: " + std::strerror(error));
}

class IngestImpl final : public Ingest {
 public:
  IngestImpl(IngestSpec spec, std::vector<OutputColumn> columns)
      : spec_(std::move(spec)),
        columns_(std::move(columns)),
        workers_(std::max<size_t>(1, std::min(spec_.threads, spec_.source.parts.size()))),
        queue_(spec_.source.parts.size()),
        rejects_(spec_.source.parts.size(), spec_.max_bad, queue_) {}

  Result<IngestResult> run() override;
  void cancel() override;
  IngestProgress progress() const override {
    return {progress_.rows_read, progress_.rows_written, progress_.parts_done};
  }

 private:
  Status encode();
  Status seal(const NumberedPart& part);
  Status seal_rest();
  IngestResult result();
  void stop();
  void set_log(LogReader* log);

  const IngestSpec spec_;
  const std::vector<OutputColumn> columns_;
  const size_t workers_;
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> started_{false};
  ProgressCounters progress_;
  PartQueue queue_;
  RejectLog rejects_;
  std::vector<std::unique_ptr<BatchEncoder>> encoders_;
  std::unique_ptr<PartResults> results_;
  std::unique_ptr<DictionaryMerge> merge_;

  std::mutex mutex_;  // guards what follows
  LogReader* log_ = nullptr;
  std::vector<NumberedPart> unsealed_;  // they wait for the final ids
  std::vector<SealedFile> files_;
};

Result<IngestResult> IngestImpl::run() {
  if (started_.exchange(true)) return Status(Code::kInvalidArgument, "an ingest runs once");
  const auto finish = [&]() -> Result<IngestResult> {
    PRERANK_RETURN_IF_ERROR(encode());
    if (rejects_.too_many()) {
      IngestResult stopped;
      stopped.too_many_bad = true;
      stopped.rejects = rejects_.take();
      stopped.rejected = stopped.rejects.size();
      return stopped;
    }
    PRERANK_ASSIGN_OR_RETURN(merge_, DictionaryMerge::create(spec_, encoders_));
    PRERANK_RETURN_IF_ERROR(seal_rest());
    PRERANK_RETURN_IF_ERROR(sync_folder(spec_.folder));
    return result();
  };
  Result<IngestResult> done = finish();
  if (cancelled_) return Status(Code::kCancelled, "the ingest was cancelled");
  return done;
}

void IngestImpl::cancel() {
  cancelled_ = true;
  stop();
}

void IngestImpl::stop() {
  queue_.give_up_from(0);
  const std::lock_guard lock(mutex_);
  if (log_ != nullptr) log_->interrupt();
}

void IngestImpl::set_log(LogReader* log) {
  const std::lock_guard lock(mutex_);
  log_ = log;
}

Status IngestImpl::encode() {
  // The encoders look after their columns themselves.
  const size_t columns = spec_.request_input.value_or(spec_.row_input) + 1;
  PRERANK_ASSIGN_OR_RETURN(const std::unique_ptr<LogReader> log,
                           LogReader::open(spec_.source, columns, spec_.memory_bytes / kDuckdbShare));
  for (size_t worker = 0; worker < workers_; ++worker) {
    PRERANK_ASSIGN_OR_RETURN(auto encoder, BatchEncoder::create(spec_));
    encoders_.push_back(std::move(encoder));
  }
  results_ = std::make_unique<PartResults>(encoders_.front()->take_statistics(), first_request(spec_));
  const bool final_ids = std::ranges::none_of(
      columns_, [](const OutputColumn& column) { return column.remap.kind == Remap::Kind::kVocabulary; });
  const auto numbered = [&](std::vector<NumberedPart> parts) -> Status {
    for (NumberedPart& part : parts) {
      if (final_ids) {
        PRERANK_RETURN_IF_ERROR(seal(part));
        continue;
      }
      const std::lock_guard lock(mutex_);
      unsealed_.push_back(std::move(part));
    }
    return {};
  };
  EncodeShared shared{spec_,    columns_, *log,      queue_,
                      rejects_, *results_, numbered, progress_,
                      static_cast<size_t>(spec_.memory_bytes / kDictionaryShare)};
  set_log(log.get());
  Status status = run_workers(
      workers_, [&](size_t worker) { return EncodeWorker(shared, worker, *encoders_[worker]).run(); },
      [this] { stop(); });
  set_log(nullptr);
  return status;
}

Status IngestImpl::seal(const NumberedPart& part) {
  SealPlan plan{&columns_, std::vector<std::span<const uint32_t>>(columns_.size()), part.first_request};
  for (size_t i = 0; i < columns_.size(); ++i) {
    const Remap& remap = columns_[i].remap;
    if (remap.kind == Remap::Kind::kVocabulary) plan.maps[i] = merge_->map(remap.dictionary, part.worker);
  }
  SealedFile sealed;
  PRERANK_RETURN_IF_ERROR(seal_file(part.written, plan, spec_.folder, file_name(part.number),
                                    [this] { return queue_.given_up(0); }, sealed));
  const std::lock_guard lock(mutex_);
  if (files_.size() <= part.number) files_.resize(part.number + 1);
  files_[part.number] = std::move(sealed);
  return {};
}

Status IngestImpl::seal_rest() {
  std::atomic<size_t> next{0};
  const auto work = [&](size_t /*worker*/) -> Status {
    for (size_t i = next++; i < unsealed_.size(); i = next++) PRERANK_RETURN_IF_ERROR(seal(unsealed_[i]));
    return {};
  };
  return run_workers(std::min(workers_, unsealed_.size()), work, [this] { stop(); });
}

IngestResult IngestImpl::result() {
  IngestResult result;
  const PartCounts& counts = results_->counts();
  result.rows = counts.rows;
  result.requests = counts.requests;
  result.rejected = counts.rejected;
  result.dropped = counts.dropped;
  result.sampled_out = counts.sampled_out;
  result.duplicates = counts.duplicates;
  result.rejects = rejects_.take();
  result.tables = merge_->take_tables();
  result.features = merge_->summarise(results_->statistics());
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].remap.kind != Remap::Kind::kVocabulary) continue;
    uint64_t zeros = 0;
    for (const SealedFile& sealed : files_) zeros += sealed.zeros[i];
    for (FeatureSummary& feature : result.features) {
      if (feature.output != columns_[i].name) continue;
      // A null is written as 0 where the column has one id a row, and is no id.
      feature.out_of_vocabulary = zeros - (columns_[i].type == ColumnType::kUint32 ? feature.nulls : 0);
    }
  }
  for (SealedFile& sealed : files_) result.files.push_back(std::move(sealed.file));
  return result;
}

}  // namespace

Result<std::unique_ptr<Ingest>> Ingest::create(IngestSpec spec) {
  PRERANK_RETURN_IF_ERROR(check_spec(spec));
  PRERANK_ASSIGN_OR_RETURN(std::vector<OutputColumn> columns, output_columns(spec));
  return std::unique_ptr<Ingest>(std::make_unique<IngestImpl>(std::move(spec), std::move(columns)));
}

}  // namespace prerank
