// A stage's total value of an ad from predictions and logged columns: bid * action rate, plus or times quality.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "metrics/column_view.h"
#include "metrics/prediction.h"

namespace prerank {

// From a predicted quality score to its value.
struct QualityFunction {
  enum class Kind : uint8_t { kIdentity, kAffine, kClamp, kPiecewiseLinear };
  Kind kind = Kind::kIdentity;
  double scale = 1, shift = 0;                   // affine
  double min = 0, max = 0;                       // clamp
  std::vector<std::pair<double, double>> knots = {};  // piecewise linear, at least one: x ascending, constant outside

  double operator()(double score) const;
};

// Columns: "" where the log has none.
struct TotalValueSource {
  Prediction ctr;
  std::optional<Prediction> quality;
  std::string bid;         // float32; absent: every bid is 1
  std::string objective;   // uint8: 0 click, 1 post-click, 2 post-impression; absent: click
  std::string click_rate;  // float32: conversions per click
  std::string view_rate;   // float32: conversions per impression
  bool additive = true;
  QualityFunction quality_function;
};

// Why a row has no total value.
enum class MissingInput : uint8_t { kNone, kPrediction, kBid, kClickRate, kViewRate };

// One thread's reader of total values.
class TotalValueReader {
 public:
  // `source` must outlive the reader.
  static Result<TotalValueReader> create(const TotalValueSource& source, ColumnFinder& columns);

  // Total value of a row; unless `missing` is kNone afterwards, the value means nothing.
  double at(size_t row, MissingInput& missing);
  Status status() const;

 private:
  explicit TotalValueReader(const TotalValueSource& source) : source_(&source) {}

  const TotalValueSource* source_;
  ColumnView<float> bid_, click_rate_, view_rate_;
  ColumnView<uint8_t> objective_;
};

}  // namespace prerank
