// Metrics of one task's predictions over the rows of a dataset that carry its label, in passes over the mapped columns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "metrics/prediction.h"
#include "prerank/dataset.h"
#include "prerank/status.h"

namespace prerank {

// A row is judged when its label is not NaN, its traffic flag (if there is a column) is not 0, and its shown flag (if
// there is a column) is as `shown_is` says.
struct JudgedRows {
  std::string label = {};    // float32 column
  std::string traffic = {};  // uint8 column, or ""
  std::string shown = {};    // uint8 column, or ""
  bool shown_is = true;
  std::string weight = {};  // float32 column, or "": 1
};

// What a group counts in GAUC: sum of weights, of weights * labels, or 1.
enum class GroupWeight : uint8_t { kRows, kClicks, kOne };

struct TaskMetricsOptions {
  JudgedRows rows = {};
  Prediction prediction = {};
  bool probability = true;  // labels and predictions in [0, 1], log loss; else squared error
  bool auc = false;
  bool ece = false;
  size_t ece_bins = 20;
  std::string group = {};  // uint32 column: GAUC by it, or ""
  GroupWeight group_weight = GroupWeight::kRows;
  // With more judged rows, AUC and calibration error are taken from 2^20 bins of the prediction.
  uint64_t exact_rows = 50'000'000;
  size_t threads = 1;
};

// A judged row with a value that the metrics are not defined for.
struct TaskFault {
  enum class Input : uint8_t { kLabel, kPrediction, kWeight };
  size_t row = 0;
  Input input = Input::kLabel;
  double value = 0;
};

struct TaskMetrics {
  static constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

  uint64_t rows = 0;       // judged
  double weight = 0;       // sum of weights w
  double loss = 0;         // sum of w * log loss, predictions clipped to [1e-15, 1 - 1e-15], or w * squared error
  double prediction = 0;   // sum of w * p
  double target = 0;       // sum of w * y
  double target_sq = 0;    // sum of w * y^2
  double spread = 0;       // sum of w * (y - mean y)^2
  double auc = kUndefined; // ties at 1/2; label y is w*y of positive and w*(1-y) of negative mass. NaN without both
  double auc_error = 0;    // bound on the error of `auc`; above 0 only beyond exact_rows
  double ece = kUndefined; // expected calibration error over bins of equal mass. NaN without weight
  double group_sum = 0;    // sum over groups with both classes of n_g * AUC_g
  double group_weight = 0; // sum of n_g
  uint64_t groups = 0;     // groups with both classes
  std::optional<TaskFault> fault;  // then the rest is not complete
};

// AUC and calibration error take 8 bytes a judged row, groups whose rows are not consecutive as much; the rest takes
// nothing. The result does not depend on the number of threads. kInvalidArgument when the outputs are not one a row,
// kNotFound, kDatasetCorrupt, kDatasetChanged.
Result<TaskMetrics> task_metrics(const Dataset& dataset, const TaskMetricsOptions& options);

}  // namespace prerank
