#include "ingest/number_encoder.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ingest/number_values.h"
#include "ingest/verdict_text.h"

namespace prerank::ingest {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

template <NumberRule rule>
bool obeys(double x) {
  switch (rule) {
    case NumberRule::kFinite:
      return true;
    case NumberRule::kNonNegative:
      return x >= 0;
    case NumberRule::kProbability:
      return (x >= 0) & (x <= 1);
    case NumberRule::kBinary:
      return (x == 0) | (x == 1);
    case NumberRule::kStage:
      return (x == 0) | (x == 1) | (x == 2) | (x == 3) | (x == 4) | (x == 5) | (x == 6);
    case NumberRule::kObjective:
      return (x == 0) | (x == 1) | (x == 2);
  }
  return false;
}

const char* broken(NumberRule rule) {
  switch (rule) {
    case NumberRule::kFinite:
      return "";
    case NumberRule::kNonNegative:
      return "is negative";
    case NumberRule::kProbability:
      return "is outside [0, 1]";
    case NumberRule::kBinary:
      return "is neither 0 nor 1";
    case NumberRule::kStage:
      return "is no stage";
    case NumberRule::kObjective:
      return "is no objective";
  }
  return "";
}

template <class F>
auto with_rule(NumberRule rule, F&& f) {
  switch (rule) {
    case NumberRule::kFinite:
      return f.template operator()<NumberRule::kFinite>();
    case NumberRule::kNonNegative:
      return f.template operator()<NumberRule::kNonNegative>();
    case NumberRule::kProbability:
      return f.template operator()<NumberRule::kProbability>();
    case NumberRule::kBinary:
      return f.template operator()<NumberRule::kBinary>();
    case NumberRule::kStage:
      return f.template operator()<NumberRule::kStage>();
    case NumberRule::kObjective:
      break;
  }
  return f.template operator()<NumberRule::kObjective>();
}

// Why a value that is no null cannot be taken, or "".
std::string refusal(const NumberColumn& column, double x) {
  if (!std::isfinite(x)) {
    std::string reason = column.label + " is ";
    append_number(x, reason);
    return reason;
  }
  if (std::fabs(x) > kLargestFloat) return column.label + " is too large for float32";
  const bool obeyed = with_rule(column.rule, [x]<NumberRule rule>() { return obeys<rule>(x); });
  return obeyed ? std::string() : column.label + " " + broken(column.rule);
}

}  // namespace

bool NumberEncoder::allowed(const double* values, size_t count) const {
  return with_rule(column_.rule, [=]<NumberRule rule>() {
    int bad = 0;
    for (size_t i = 0; i < count; ++i) bad |= !((std::fabs(values[i]) <= kLargestFloat) & obeys<rule>(values[i]));
    return bad == 0;
  });
}

Status NumberEncoder::judge(const RowBlock& block, Verdict& verdict) {
  const bool keep_values = column_.role != NumberRole::kNone;
  if (keep_values) values_.resize(block.rows);
  size_t base = 0;
  for (const RowSlice& slice : block.slices) {
    const VectorView& view = slice.chunk->column(column_.input);
    if (!is_number(view.type)) return {Code::kInvalidArgument, column_.label + " is no number"};
    const size_t rows = slice.rows();
    checked_.resize(std::max(checked_.size(), rows));
    read_doubles({&view, slice.from, nullptr, rows}, checked_.data());
    const bool nulls = has_nulls(view, slice.from, rows);
    if (nulls) {
      // Every rule admits 0, which stands in for null until the value is written.
      valid_.resize(std::max(valid_.size(), rows));
      expand_validity({&view, slice.from, nullptr, rows}, valid_.data());
      for (size_t i = 0; i < rows; ++i) checked_[i] = valid_[i] != 0 ? checked_[i] : 0;
    }
    const bool clean = allowed(checked_.data(), rows);
    if (nulls) {
      for (size_t i = 0; i < rows; ++i) checked_[i] = valid_[i] != 0 ? checked_[i] : kNan;
    }
    if (keep_values) std::copy_n(checked_.data(), rows, values_.data() + base);
    if (!clean || (nulls && !column_.nullable)) judge_rows(slice, base, verdict);
    if (written_) PRERANK_RETURN_IF_ERROR(write(base, block.rows, rows, clean && !nulls));
    base += rows;
  }
  return {};
}

// Every row of a slice that holds a bad value.
void NumberEncoder::judge_rows(const RowSlice& slice, size_t base, Verdict& verdict) {
  const VectorView& view = slice.chunk->column(column_.input);
  for (size_t i = 0; i < slice.rows(); ++i) {
    if (!verdict.kept(base + i)) continue;
    const size_t row = slice.from + i;
    if (!view.valid(row)) {
      if (!column_.nullable) verdict.reject(base + i, column_.label, "", column_.label + " is null");
      continue;
    }
    std::string reason = refusal(column_, checked_[i]);
    if (!reason.empty()) verdict.reject(base + i, column_.label, reject_text(view, row), std::move(reason));
  }
}

// The checked rows of a slice that begins at row `base` of a block of `count` rows.
Status NumberEncoder::write(size_t base, size_t count, size_t rows, bool clean) {
  const double* const values = checked_.data();
  if (column_.type == ColumnType::kFloat32) {
    PRERANK_ASSIGN_OR_RETURN(float* const out, floats_.reserve(count));
    for (size_t i = 0; i < rows; ++i) out[base + i] = static_cast<float>(values[i]);
    return {};
  }
  PRERANK_ASSIGN_OR_RETURN(uint8_t* const out, bytes_.reserve(count));
  if (clean) {
    for (size_t i = 0; i < rows; ++i) out[base + i] = static_cast<uint8_t>(static_cast<int>(values[i]));
  } else {
    for (size_t i = 0; i < rows; ++i) {
      const bool fits = values[i] >= 0 && values[i] <= std::numeric_limits<uint8_t>::max();
      out[base + i] = fits ? static_cast<uint8_t>(static_cast<int>(values[i])) : 0;
    }
  }
  return {};
}

void NumberEncoder::append(const KeptRows& kept) {
  if (!written_) return;
  const auto add = [&kept](auto& buffer) {
    if (kept.all()) buffer.extend(kept.count());
    else buffer.extend_by(kept.block_rows());
  };
  if (column_.type == ColumnType::kFloat32) add(floats_);
  else add(bytes_);
}

ColumnData NumberEncoder::data() const {
  if (column_.type == ColumnType::kFloat32) return {floats_.data(), floats_.size(), nullptr};
  return {bytes_.data(), bytes_.size(), nullptr};
}

void NumberEncoder::clear() {
  floats_.clear();
  bytes_.clear();
}

}  // namespace prerank::ingest
