#include "metrics/total_value.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

namespace prerank {
namespace {

constexpr double kPostClick = 1, kPostImpression = 2;

// A value of a column; NaN when the log does not have it, or its chunk is damaged.
template <class T>
double value_at(ColumnView<T>& column, size_t row) {
  if (!column) return std::numeric_limits<double>::quiet_NaN();
  const auto values = column.from(row, row + 1);
  return values.empty() ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(values.front());
}

double interpolate(std::span<const std::pair<double, double>> knots, double x) {
  const auto right = std::find_if(knots.begin(), knots.end(), [x](const auto& knot) { return x <= knot.first; });
  if (right == knots.end()) return knots.back().second;
  if (right == knots.begin()) return right->second;
  const auto& [x0, y0] = *(right - 1);
  const auto& [x1, y1] = *right;
  return y0 + (y1 - y0) * (x - x0) / (x1 - x0);
}

}  // namespace

double QualityFunction::operator()(double score) const {
  switch (kind) {
    case Kind::kIdentity:
      return score;
    case Kind::kAffine:
      return scale * score + shift;
    case Kind::kClamp:
      return std::min(max, std::max(min, score));
    case Kind::kPiecewiseLinear:
      return interpolate(knots, score);
  }
  return score;
}

Result<TotalValueReader> TotalValueReader::create(const TotalValueSource& source, ColumnFinder& columns) {
  TotalValueReader reader(source);
  PRERANK_ASSIGN_OR_RETURN(reader.bid_, columns.floats(source.bid));
  PRERANK_ASSIGN_OR_RETURN(reader.objective_, columns.flags(source.objective));
  PRERANK_ASSIGN_OR_RETURN(reader.click_rate_, columns.floats(source.click_rate));
  PRERANK_ASSIGN_OR_RETURN(reader.view_rate_, columns.floats(source.view_rate));
  return reader;
}

double TotalValueReader::at(size_t row, MissingInput& missing) {
  missing = MissingInput::kNone;
  const double bid = bid_ ? value_at(bid_, row) : 1.0;
  const double objective = objective_ ? value_at(objective_, row) : 0.0;
  double rate = source_->ctr.at(row);
  if (std::isnan(bid)) missing = MissingInput::kBid;
  if (objective == kPostImpression) {
    rate = value_at(view_rate_, row);
    if (std::isnan(rate) && missing == MissingInput::kNone) missing = MissingInput::kViewRate;
  } else if (objective == kPostClick) {
    const double conversions = value_at(click_rate_, row);
    if (std::isnan(conversions) && missing == MissingInput::kNone) missing = MissingInput::kClickRate;
    rate *= conversions;
  }
  double value = bid * rate;
  if (source_->quality) {
    const double quality = source_->quality_function(source_->quality->at(row));
    value = source_->additive ? value + quality : value * quality;
  }
  if (!std::isfinite(value) && missing == MissingInput::kNone) missing = MissingInput::kPrediction;
  return value;
}

Status TotalValueReader::status() const {
  PRERANK_RETURN_IF_ERROR(bid_.status());
  PRERANK_RETURN_IF_ERROR(objective_.status());
  PRERANK_RETURN_IF_ERROR(click_rate_.status());
  return view_rate_.status();
}

}  // namespace prerank
