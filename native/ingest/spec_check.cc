#include "ingest/spec_check.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace prerank::ingest {
namespace {

constexpr uint64_t kMostBuckets = uint64_t{1} << 32;
constexpr size_t kStages = 7;

Status wrong(std::string message) { return {Code::kInvalidArgument, std::move(message)}; }

bool is_rate(double rate) { return rate >= 0 && rate <= 1; }

bool has_role(const IngestSpec& spec, NumberRole role) {
  for (const NumberColumn& column : spec.numbers) {
    if (column.role == role) return true;
  }
  return false;
}

Status check_numbers(const IngestSpec& spec) {
  uint32_t roles = 0;
  for (const NumberColumn& column : spec.numbers) {
    const bool small = column.rule == NumberRule::kBinary || column.rule == NumberRule::kStage ||
                       column.rule == NumberRule::kObjective;
    if (column.type != ColumnType::kFloat32 && !(column.type == ColumnType::kUint8 && small && !column.nullable)) {
      return wrong(column.label + ": must be float32, or uint8 for a binary, stage or objective without nulls");
    }
    const uint32_t role = uint32_t{1} << static_cast<int>(column.role);
    const bool again = column.role != NumberRole::kNone && (roles & role) != 0;
    if (again) return wrong(column.label + ": the role is given twice");
    roles |= role;
  }
  return {};
}

Status check_features(const IngestSpec& spec) {
  for (const DenseColumn& column : spec.dense) {
    if (!std::isfinite(column.mean) || !std::isfinite(column.deviation) || column.deviation == 0) {
      return wrong(column.label + ": mean and deviation must be finite, the deviation not 0");
    }
  }
  for (const IdColumn& column : spec.ids) {
    if (column.table >= spec.tables.size()) return wrong(column.label + ": there is no such table");
    if (column.weights_input.has_value() && !column.multi) return wrong(column.label + ": only lists have weights");
  }
  for (const IdTable& table : spec.tables) {
    if (table.buckets > kMostBuckets) return wrong("table \"" + table.name + "\": more than 2^32 buckets");
    if (table.buckets > 0 && (table.learn || !table.values.empty())) {
      return wrong("table \"" + table.name + "\": a hashed table has no vocabulary");
    }
  }
  return {};
}

Status check_codes(const IngestSpec& spec) {
  uint32_t roles = 0;
  for (const CodeColumn& column : spec.codes) {
    const uint32_t role = uint32_t{1} << static_cast<int>(column.role);
    if ((roles & role) != 0) return wrong(column.label + ": the role is given twice");
    roles |= role;
    if (column.role == CodeRole::kRequest && !spec.request_input.has_value()) {
      return wrong(column.label + ": needs request_input");
    }
  }
  return {};
}

Status check_sampling(const IngestSpec& spec) {
  const Sampling& sampling = spec.sampling;
  const bool has_stage = has_role(spec, NumberRole::kStage);
  const bool draws = sampling.augment || !sampling.stage_rates.empty();
  if (draws && !(spec.request_input.has_value() && spec.ad_input.has_value())) {
    return wrong("sampling needs request_input and ad_input");
  }
  if (sampling.augment) {
    const bool has_impression = has_role(spec, NumberRole::kImpression);
    if (!has_stage && !has_impression) return wrong("augmentation needs impressions or stages");
    if (!has_stage && sampling.pool != Pool::kMixed) return wrong("the pool of the augmentation needs stages");
    if (!is_rate(sampling.rate)) return wrong("the rate of the augmentation is outside [0, 1]");
    if (!(sampling.per_request >= 0)) return wrong("per_request of the augmentation is negative");
  }
  if (!sampling.stage_rates.empty()) {
    if (!has_stage) return wrong("rates by stage need stages");
    if (sampling.stage_rates.size() != kStages) return wrong("there must be a rate for each of the 7 stages");
    for (const double rate : sampling.stage_rates) {
      if (!is_rate(rate)) return wrong("a rate by stage is outside [0, 1]");
    }
  }
  if (sampling.split_fraction >= 0) {
    if (!spec.request_input.has_value()) return wrong("a split by request needs request_input");
    if (!is_rate(sampling.split_fraction)) return wrong("the fraction of the split is above 1");
  }
  const bool compares = spec.request_input.has_value() && spec.ad_input.has_value();
  if (spec.duplicates != DuplicatePolicy::kKeep && !compares) {
    return wrong("duplicates need request_input and ad_input");
  }
  return {};
}

}  // namespace

Status check_spec(const IngestSpec& spec) {
  PRERANK_RETURN_IF_ERROR(check_numbers(spec));
  PRERANK_RETURN_IF_ERROR(check_features(spec));
  PRERANK_RETURN_IF_ERROR(check_codes(spec));
  return check_sampling(spec);
}

}  // namespace prerank::ingest
