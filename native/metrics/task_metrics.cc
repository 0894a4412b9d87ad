#include "metrics/task_metrics.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "metrics/exact_sum.h"
#include "metrics/judged_rows.h"
#include "metrics/key_sort.h"
#include "metrics/score_blocks.h"

namespace prerank {
namespace {

// Work is cut into blocks of this many rows, whatever the number of threads; sums are merged in their order.
constexpr size_t kBlock = 65536;
constexpr size_t kBins = size_t{1} << 20;
constexpr double kClip = 1e-15;

struct Sums {
  ExactSum weight, loss, prediction, target, target_sq;
  uint64_t rows = 0;

  void add(const JudgedRow& row, double loss_of_row) {
    const double w = row.weight, y = row.label;
    weight.add(w);
    loss.add(w * loss_of_row);
    prediction.add(w * row.prediction);
    target.add(w * y);
    target_sq.add(w * y * y);
    ++rows;
  }
  void add(const Sums& other) {
    weight.add(other.weight);
    loss.add(other.loss);
    prediction.add(other.prediction);
    target.add(other.target);
    target_sq.add(other.target_sq);
    rows += other.rows;
  }
};

double log_loss(double p, double y) {
  const double clipped = std::min(1 - kClip, std::max(kClip, p));
  double loss = 0;
  if (y != 0) loss -= y * std::log(clipped);
  if (y != 1) loss -= (1 - y) * std::log1p(-clipped);
  return loss;
}

// Rows sorted by prediction, as keys, to blocks of equal predictions.
template <class Each>
void for_each_block(std::span<const uint64_t> keys, const Prediction& prediction, JudgedRowReader& reader, Each each) {
  for (size_t at = 0; at < keys.size();) {
    const double p = prediction.read(from_ordered_bits(key_of(keys[at])));
    ScoreBlock block;
    uint32_t bits = key_of(keys[at]);
    while (at < keys.size()) {
      // Different outputs may be read as the same prediction.
      if (key_of(keys[at]) != bits) {
        if (prediction.read(from_ordered_bits(key_of(keys[at]))) != p) break;
        bits = key_of(keys[at]);
      }
      const JudgedRow row = reader.at(row_of(keys[at++]));
      block.weight += row.weight;
      block.positive += row.weight * row.label;
      block.negative += row.weight * (1 - row.label);
      block.prediction += row.weight * p;
    }
    each(block);
  }
}

double mass_of(const ScoreBlock& group, GroupWeight kind) {
  switch (kind) {
    case GroupWeight::kRows:
      return group.weight;
    case GroupWeight::kClicks:
      return group.positive;
    case GroupWeight::kOne:
      return 1;
  }
  return 1;
}

class Task {
 public:
  Task(const TaskMetricsOptions& options, ColumnFinder& columns) : options_(options), columns_(columns) {}

  Result<TaskMetrics> run() {
    PRERANK_ASSIGN_OR_RETURN(const JudgedRowReader reader, JudgedRowReader::create(options_, columns_));
    PRERANK_ASSIGN_OR_RETURN(pool_, ThreadPool::create(options_.threads));
    readers_.assign(pool_->workers(), reader);
    PRERANK_RETURN_IF_ERROR(add_sums());
    if (metrics_.fault) return metrics_;
    if (options_.probability && (options_.auc || options_.ece)) PRERANK_RETURN_IF_ERROR(add_ranking());
    if (options_.probability && !options_.group.empty()) PRERANK_RETURN_IF_ERROR(add_groups());
    return metrics_;
  }

 private:
  // Calls work(reader, first, last, block) for every block of rows.
  template <class Work>
  Status in_blocks(Work work) {
    std::atomic<size_t> next{0};
    pool_->run([&](size_t worker) {
      for (size_t b = next++; b < blocks(); b = next++) {
        work(readers_[worker], b * kBlock, std::min(columns_.rows(), (b + 1) * kBlock), b);
      }
    });
    for (const JudgedRowReader& reader : readers_) PRERANK_RETURN_IF_ERROR(reader.status());
    return {};
  }
  size_t blocks() const { return (columns_.rows() + kBlock - 1) / kBlock; }

  Status add_sums() {
    std::vector<Sums> sums(blocks());
    PRERANK_RETURN_IF_ERROR(in_blocks([&](JudgedRowReader& reader, size_t first, size_t last, size_t b) {
      reader.for_each(first, last, [&](const JudgedRow& row) {
        const double error = row.prediction - row.label;
        sums[b].add(row, options_.probability ? log_loss(row.prediction, row.label) : error * error);
      });
    }));
    for (const JudgedRowReader& reader : readers_) {
      const auto& fault = reader.fault();
      if (fault && (!metrics_.fault || fault->row < metrics_.fault->row)) metrics_.fault = fault;
    }
    if (metrics_.fault) return {};
    Sums total;
    for (const Sums& block : sums) total.add(block);
    metrics_.rows = total.rows;
    metrics_.weight = total.weight.value();
    metrics_.loss = total.loss.value();
    metrics_.prediction = total.prediction.value();
    metrics_.target = total.target.value();
    metrics_.target_sq = total.target_sq.value();
    return metrics_.weight > 0 ? add_spread(metrics_.target / metrics_.weight) : Status();
  }

  // Around the mean, so that labels far from 0 keep their variance.
  Status add_spread(double mean) {
    std::vector<ExactSum> sums(blocks());
    PRERANK_RETURN_IF_ERROR(in_blocks([&](JudgedRowReader& reader, size_t first, size_t last, size_t b) {
      reader.for_each(first, last, [&](const JudgedRow& row) {
        sums[b].add(row.weight * (row.label - mean) * (row.label - mean));
      });
    }));
    ExactSum total;
    for (const ExactSum& block : sums) total.add(block);
    metrics_.spread = total.value();
    return {};
  }

  Status add_ranking() {
    AucSum auc;
    CalibrationError calibration(options_.ece_bins, metrics_.weight);
    const auto add = [&](const ScoreBlock& block) {
      auc.add(block);
      calibration.add(block);
    };
    const bool exact = metrics_.rows <= options_.exact_rows;
    PRERANK_RETURN_IF_ERROR(exact ? for_each_score(add) : for_each_bin(add));
    if (options_.auc) metrics_.auc = auc.value();
    if (options_.auc && !exact) metrics_.auc_error = auc.tied_share();
    if (options_.ece) metrics_.ece = calibration.value();
    return {};
  }

  template <class Each>
  Status for_each_score(Each each) {
    std::vector<uint64_t> keys;
    keys.reserve(metrics_.rows);
    JudgedRowReader& reader = readers_.front();
    reader.for_each(0, columns_.rows(), [&](const JudgedRow& row) {
      keys.push_back(row_key(ordered_bits(options_.prediction.outputs[row.row]), static_cast<uint32_t>(row.row)));
    });
    sort_keys(keys, *pool_);
    for_each_block(keys, options_.prediction, reader, each);
    return reader.status();
  }

  template <class Each>
  Status for_each_bin(Each each) {
    std::vector<ScoreBlock> bins(kBins);
    JudgedRowReader& reader = readers_.front();
    reader.for_each(0, columns_.rows(), [&](const JudgedRow& row) {
      const auto at = static_cast<size_t>(row.prediction * static_cast<double>(kBins));
      ScoreBlock& bin = bins[std::min(at, kBins - 1)];
      bin.weight += row.weight;
      bin.positive += row.weight * row.label;
      bin.negative += row.weight * (1 - row.label);
      bin.prediction += row.weight * row.prediction;
    });
    for (const ScoreBlock& bin : bins) {
      if (bin.weight > 0) each(bin);
    }
    return reader.status();
  }

  // Judged rows by group: runs of equal codes are taken as groups at first; when a group comes twice, rows are sorted.
  Status add_groups() {
    PRERANK_ASSIGN_OR_RETURN(ColumnView<uint32_t> codes, columns_.codes(options_.group));
    std::vector<uint64_t> keys;
    std::vector<uint32_t> seen;
    JudgedRowReader& reader = readers_.front();
    const auto code_at = [&codes](size_t row) {
      const auto code = codes.from(row, row + 1);
      return code.empty() ? 0 : code.front();
    };
    const TaskMetrics before = metrics_;
    reader.for_each(0, columns_.rows(), [&](const JudgedRow& row) {
      const uint32_t code = code_at(row.row);
      if (seen.empty() || seen.back() != code) {
        add_group(keys);
        keys.clear();
        seen.push_back(code);
      }
      keys.push_back(row_key(ordered_bits(options_.prediction.outputs[row.row]), static_cast<uint32_t>(row.row)));
    });
    add_group(keys);
    PRERANK_RETURN_IF_ERROR(codes.status());
    std::sort(seen.begin(), seen.end());
    if (std::adjacent_find(seen.begin(), seen.end()) == seen.end()) return reader.status();
    metrics_ = before;
    seen = {};
    std::vector<uint64_t> by_group;
    by_group.reserve(metrics_.rows);
    reader.for_each(0, columns_.rows(), [&](const JudgedRow& row) {
      by_group.push_back(row_key(code_at(row.row), static_cast<uint32_t>(row.row)));
    });
    sort_keys(by_group, *pool_);
    for (size_t at = 0; at < by_group.size();) {
      const uint32_t code = key_of(by_group[at]);
      keys.clear();
      for (; at < by_group.size() && key_of(by_group[at]) == code; ++at) {
        const uint32_t row = row_of(by_group[at]);
        keys.push_back(row_key(ordered_bits(options_.prediction.outputs[row]), row));
      }
      add_group(keys);
    }
    return reader.status();
  }

  void add_group(std::vector<uint64_t>& keys) {
    if (keys.empty()) return;
    std::sort(keys.begin(), keys.end());
    AucSum auc;
    ScoreBlock group;
    for_each_block(keys, options_.prediction, readers_.front(), [&](const ScoreBlock& block) {
      auc.add(block);
      group.weight += block.weight;
      group.positive += block.positive;
    });
    if (!auc.defined()) return;
    const double n = mass_of(group, options_.group_weight);
    metrics_.group_sum += n * auc.value();
    metrics_.group_weight += n;
    ++metrics_.groups;
  }

  const TaskMetricsOptions& options_;
  ColumnFinder& columns_;
  std::unique_ptr<ThreadPool> pool_;
  std::vector<JudgedRowReader> readers_;
  TaskMetrics metrics_;
};

}  // namespace

Result<TaskMetrics> task_metrics(const Dataset& dataset, const TaskMetricsOptions& options) {
  if (options.rows.label.empty()) return Status(Code::kInvalidArgument, "task metrics need a label column");
  if (options.prediction.outputs.size() != dataset.rows()) {
    return Status(Code::kInvalidArgument, "task metrics: " + std::to_string(options.prediction.outputs.size()) +
                                              " predictions for " + std::to_string(dataset.rows()) + " rows");
  }
  if (options.ece && options.ece_bins == 0) return Status(Code::kInvalidArgument, "ece needs at least one bin");
  ColumnFinder columns(dataset);
  auto result = Task(options, columns).run();
  PRERANK_RETURN_IF_ERROR(columns.check());  // what a file that shrank led to means nothing
  return result;
}

}  // namespace prerank
