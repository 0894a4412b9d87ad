// The rows that a task is judged on, read in place.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <utility>

#include "metrics/column_view.h"
#include "metrics/task_metrics.h"

namespace prerank {

struct JudgedRow {
  size_t row = 0;
  double label = 0, prediction = 0, weight = 1;
};

// One thread's reader.
class JudgedRowReader {
 public:
  // `options` must outlive the reader.
  static Result<JudgedRowReader> create(const TaskMetricsOptions& options, ColumnFinder& columns) {
    JudgedRowReader reader(options);
    PRERANK_ASSIGN_OR_RETURN(reader.label_, columns.floats(options.rows.label));
    PRERANK_ASSIGN_OR_RETURN(reader.traffic_, columns.flags(options.rows.traffic));
    PRERANK_ASSIGN_OR_RETURN(reader.shown_, columns.flags(options.rows.shown));
    PRERANK_ASSIGN_OR_RETURN(reader.weight_, columns.floats(options.rows.weight));
    return reader;
  }

  // Calls each(row) for the judged rows of [first, last) in order, until one is bad: fault().
  template <class Each>
  void for_each(size_t first, size_t last, Each each) {
    for (size_t begin = first; begin < last && status().ok() && !fault_;) {
      const auto labels = label_.from(begin, last);
      if (labels.empty()) return;
      const size_t end = begin + labels.size();
      const auto traffic = traffic_ ? traffic_.from(begin, end) : std::span<const uint8_t>();
      const auto shown = shown_ ? shown_.from(begin, end) : std::span<const uint8_t>();
      const auto weights = weight_ ? weight_.from(begin, end) : std::span<const float>();
      if (!status().ok()) return;
      for (size_t i = 0; i < labels.size() && !fault_; ++i) {
        if (std::isnan(labels[i]) || (traffic_ && traffic[i] == 0) ||
            (shown_ && (shown[i] != 0) != options_->rows.shown_is)) {
          continue;
        }
        JudgedRow row{begin + i, static_cast<double>(labels[i]), options_->prediction.at(begin + i),
                      weight_ ? static_cast<double>(weights[i]) : 1.0};
        if (sound(row)) each(row);
      }
      begin = end;
    }
  }

  // The row, which is known to be judged and sound.
  JudgedRow at(size_t row) {
    JudgedRow found{row, 0, options_->prediction.at(row), 1};
    if (const auto label = label_.from(row, row + 1); !label.empty()) found.label = static_cast<double>(label.front());
    if (!weight_) return found;
    if (const auto weight = weight_.from(row, row + 1); !weight.empty()) {
      found.weight = static_cast<double>(weight.front());
    }
    return found;
  }

  const std::optional<TaskFault>& fault() const { return fault_; }

  Status status() const {
    PRERANK_RETURN_IF_ERROR(label_.status());
    PRERANK_RETURN_IF_ERROR(traffic_.status());
    PRERANK_RETURN_IF_ERROR(shown_.status());
    return weight_.status();
  }

 private:
  explicit JudgedRowReader(const TaskMetricsOptions& options) : options_(&options) {}

  bool sound(const JudgedRow& row) {
    const auto good = [this](double value) {
      return options_->probability ? value >= 0 && value <= 1 : std::isfinite(value);
    };
    if (!good(row.label)) {
      fault_ = {row.row, TaskFault::Input::kLabel, row.label};
    } else if (!good(row.prediction)) {
      fault_ = {row.row, TaskFault::Input::kPrediction, row.prediction};
    } else if (!std::isfinite(row.weight) || row.weight < 0) {
      fault_ = {row.row, TaskFault::Input::kWeight, row.weight};
    }
    return !fault_;
  }

  const TaskMetricsOptions* options_;
  ColumnView<float> label_, weight_;
  ColumnView<uint8_t> traffic_, shown_;
  std::optional<TaskFault> fault_;
};

}  // namespace prerank
