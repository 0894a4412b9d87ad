#include "metrics/replay.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <utility>

#include "base/thread_pool.h"
#include "cpu/dispatch.h"
#include "cpu/simd/table.h"
#include "metrics/key_sort.h"
#include "metrics/request_judge.h"

namespace prerank {
namespace {

// Work is cut into blocks of this many rows or candidates, whatever the number of threads; a request belongs to the
// block that it begins in.
constexpr size_t kReplayBlock = 65536;

ReplayFault::Input fault_of(MissingInput missing) {
  switch (missing) {
    case MissingInput::kBid:
      return ReplayFault::Input::kBid;
    case MissingInput::kClickRate:
      return ReplayFault::Input::kClickRate;
    case MissingInput::kViewRate:
      return ReplayFault::Input::kViewRate;
    default:
      return ReplayFault::Input::kEarly;
  }
}

// Early scores that are float32 numbers in memory: a column's or given ones.
class FloatScores {
 public:
  using Score = float;

  FloatScores(ColumnView<float> column, std::span<const float> given) : column_(std::move(column)), given_(given) {}

  // The scores of rows [begin, end) where they lie, or nothing when they are in several places.
  std::span<const float> direct(size_t begin, size_t end) {
    const auto found = column_ ? column_.from(begin, end) : given_.subspan(begin, end - begin);
    return found.size() == end - begin ? found : std::span<const float>();
  }
  float at(size_t row, MissingInput& missing) {
    const auto found = direct(row, row + 1);
    missing = !found.empty() && std::isfinite(found.front()) ? MissingInput::kNone : MissingInput::kPrediction;
    return found.empty() ? 0 : found.front();
  }
  Status status() const { return column_.status(); }

 private:
  ColumnView<float> column_;
  std::span<const float> given_;
};

// Early scores that are computed.
class TotalValues {
 public:
  using Score = double;

  explicit TotalValues(TotalValueReader reader) : reader_(std::move(reader)) {}

  std::span<const double> direct(size_t, size_t) { return {}; }
  double at(size_t row, MissingInput& missing) { return reader_.at(row, missing); }
  Status status() const { return reader_.status(); }

 private:
  TotalValueReader reader_;
};

struct Block {
  std::vector<uint32_t> requests;
  std::vector<RequestReplay> per_request;
  std::optional<ReplayFault> fault;
  Status status;
};

// The work of one thread.
template <class Early>
class Replayer {
 public:
  Replayer(const ReplayOptions& options, size_t rows, Early early, ColumnView<float> final_scores,
           ColumnView<uint32_t> requests)
      : rows_(rows),
        early_(std::move(early)),
        final_(std::move(final_scores)),
        requests_(std::move(requests)),
        judge_(options.k, options.early_k, options.gains) {}

  // Requests that begin in rows [first, last), taken as consecutive rows.
  void replay_rows(size_t first, size_t last, Block& block) {
    size_t row = first == 0 ? 0 : end_of_run(first - 1);
    while (row < last && requests_.status().ok() && !block.fault) {
      const auto code = requests_.from(row, row + 1);
      if (code.empty()) break;
      const size_t end = end_of_run(row);
      replay_run(code.front(), row, end, block);
      row = end;
    }
    block.status = status();
  }

  // Candidates sorted by request: the requests that begin at places [first, last).
  void replay_keys(std::span<const uint64_t> keys, size_t first, size_t last, Block& block) {
    size_t at = first;
    while (at > 0 && at < last && key_of(keys[at]) == key_of(keys[at - 1])) ++at;
    while (at < last && !block.fault) {
      const uint32_t code = key_of(keys[at]);
      clear();
      for (; at < keys.size() && key_of(keys[at]) == code; ++at) add(row_of(keys[at]), block);
      finish(code, block);
    }
    block.status = status();
  }

  // Appends a key for every candidate of rows [first, last).
  Status append_keys(size_t first, size_t last, std::vector<uint64_t>& keys) {
    for (size_t row = first; row < last;) {
      const auto codes = requests_.from(row, last);
      const auto scores = final_.from(row, last);
      PRERANK_RETURN_IF_ERROR(status());
      for (size_t i = 0; i < codes.size(); ++i) {
        if (!std::isnan(scores[i])) keys.push_back(row_key(codes[i], static_cast<uint32_t>(row + i)));
      }
      row += codes.size();
    }
    return {};
  }

 private:
  using Score = typename Early::Score;

  Status status() const {
    PRERANK_RETURN_IF_ERROR(requests_.status());
    PRERANK_RETURN_IF_ERROR(final_.status());
    return early_.status();
  }

  // The row after the last of the run of equal codes that `row` lies in.
  size_t end_of_run(size_t row) {
    const auto first = requests_.from(row, row + 1);
    if (first.empty()) return rows_;
    const uint32_t code = first.front();
    while (row < rows_) {
      const auto codes = requests_.from(row, rows_);
      if (codes.empty()) return rows_;
      const size_t run = run_length_(codes.size(), codes.data(), code);
      row += run;
      if (run < codes.size()) break;
    }
    return row;
  }

  void replay_run(uint32_t code, size_t begin, size_t end, Block& block) {
    const auto scores = final_.from(begin, end);
    if constexpr (std::is_same_v<Score, float>) {
      const std::span<const float> early = early_.direct(begin, end);
      if (scores.size() == end - begin && early.size() == scores.size()) {
        if (const auto request = judge_.judge(early, scores)) {  // all rows are candidates with finite scores
          block.requests.push_back(code);
          block.per_request.push_back(*request);
          return;
        }
      }
    }
    clear();
    for (size_t row = begin; row < end && !block.fault; ++row) add(row, block);
    finish(code, block);
  }

  void clear() {
    early_scores_.clear();
    final_scores_.clear();
  }

  void add(size_t row, Block& block) {
    const auto value = final_.from(row, row + 1);
    if (block.fault || value.empty() || std::isnan(value.front())) return;
    MissingInput missing = MissingInput::kNone;
    early_scores_.push_back(early_.at(row, missing));
    final_scores_.push_back(value.front());
    if (std::isinf(value.front())) block.fault = {row, ReplayFault::Input::kFinal};
    if (missing != MissingInput::kNone) block.fault = {row, fault_of(missing)};
  }

  void finish(uint32_t code, Block& block) {
    if (block.fault || final_scores_.empty()) return;
    if (const auto request = judge_.judge(early_scores_, final_scores_)) {
      block.requests.push_back(code);
      block.per_request.push_back(*request);
    }
  }

  decltype(cpu::SimdTable::run_length) run_length_ = cpu::simd().run_length;
  size_t rows_;
  Early early_;
  ColumnView<float> final_;
  ColumnView<uint32_t> requests_;
  RequestJudge<Score> judge_;
  std::vector<Score> early_scores_;  // candidates of a request that are not in one place, or not all of its rows
  std::vector<float> final_scores_;
};

// The blocks' results, one after the other. The first error of them, if there is any.
Result<ReplayResult> merge(std::vector<Block> blocks) {
  ReplayResult result;
  for (Block& block : blocks) {
    PRERANK_RETURN_IF_ERROR(block.status);
    result.requests.insert(result.requests.end(), block.requests.begin(), block.requests.end());
    result.per_request.insert(result.per_request.end(), block.per_request.begin(), block.per_request.end());
    block.requests = {};
    block.per_request = {};
    if (block.fault) {
      result.fault = block.fault;
      return result;
    }
  }
  return result;
}

bool scattered(std::vector<uint32_t> requests) {
  if (std::is_sorted(requests.begin(), requests.end(), std::less_equal<>())) return false;
  std::sort(requests.begin(), requests.end());
  return std::adjacent_find(requests.begin(), requests.end()) != requests.end();
}

// Calls work(worker, first, last, block) for every block of `count` rows or candidates.
template <class Work>
Result<ReplayResult> in_blocks(size_t count, ThreadPool& pool, Work work) {
  std::vector<Block> blocks((count + kReplayBlock - 1) / kReplayBlock);
  std::atomic<size_t> next{0};
  pool.run([&](size_t worker) {
    for (size_t b = next++; b < blocks.size(); b = next++) {
      work(worker, b * kReplayBlock, std::min(count, (b + 1) * kReplayBlock), blocks[b]);
    }
  });
  return merge(std::move(blocks));
}

template <class Early>
Result<ReplayResult> replay_with(const ReplayOptions& options, ColumnFinder& columns, const Early& early) {
  PRERANK_ASSIGN_OR_RETURN(const ColumnView<float> final_scores, columns.floats(options.final_score));
  PRERANK_ASSIGN_OR_RETURN(const ColumnView<uint32_t> requests, columns.codes(options.request));
  PRERANK_ASSIGN_OR_RETURN(const std::unique_ptr<ThreadPool> pool, ThreadPool::create(options.threads));
  std::vector<std::unique_ptr<Replayer<Early>>> workers;
  for (size_t w = 0; w < pool->workers(); ++w) {
    workers.push_back(std::make_unique<Replayer<Early>>(options, columns.rows(), early, final_scores, requests));
  }
  auto result = in_blocks(columns.rows(), *pool, [&](size_t worker, size_t first, size_t last, Block& block) {
    workers[worker]->replay_rows(first, last, block);
  });
  if (!result.ok() || result.value().fault || !scattered(result.value().requests)) return result;
  result = ReplayResult();  // its memory is not needed beside the keys
  std::vector<uint64_t> keys;
  PRERANK_RETURN_IF_ERROR(workers.front()->append_keys(0, columns.rows(), keys));
  sort_keys(keys, *pool);
  return in_blocks(keys.size(), *pool, [&](size_t worker, size_t first, size_t last, Block& block) {
    workers[worker]->replay_keys(keys, first, last, block);
  });
}

Status check_length(std::span<const float> scores, size_t rows) {
  if (scores.size() == rows) return {};
  return {Code::kInvalidArgument, "replay: " + std::to_string(scores.size()) + " early scores for " +
                                      std::to_string(rows) + " rows"};
}

Result<ReplayResult> replay_by_source(const ReplayOptions& options, ColumnFinder& columns) {
  if (const auto* const total = std::get_if<TotalValueSource>(&options.early)) {
    PRERANK_RETURN_IF_ERROR(check_length(total->ctr.outputs, columns.rows()));
    if (total->quality) PRERANK_RETURN_IF_ERROR(check_length(total->quality->outputs, columns.rows()));
    PRERANK_ASSIGN_OR_RETURN(TotalValueReader reader, TotalValueReader::create(*total, columns));
    return replay_with(options, columns, TotalValues(std::move(reader)));
  }
  if (const auto* const name = std::get_if<std::string>(&options.early)) {
    PRERANK_ASSIGN_OR_RETURN(ColumnView<float> column, columns.floats(*name));
    return replay_with(options, columns, FloatScores(std::move(column), {}));
  }
  const auto given = std::get<std::span<const float>>(options.early);
  PRERANK_RETURN_IF_ERROR(check_length(given, columns.rows()));
  return replay_with(options, columns, FloatScores({}, given));
}

}  // namespace

Result<ReplayResult> replay(const Dataset& dataset, const ReplayOptions& options) {
  if (options.k == 0 || options.early_k == 0) return Status(Code::kInvalidArgument, "replay needs k of at least 1");
  if (options.request.empty() || options.final_score.empty()) {
    return Status(Code::kInvalidArgument, "replay needs the columns of the requests and of the final scores");
  }
  ColumnFinder columns(dataset);
  auto result = replay_by_source(options, columns);
  PRERANK_RETURN_IF_ERROR(columns.check());  // what a file that shrank led to means nothing
  return result;
}

}  // namespace prerank
