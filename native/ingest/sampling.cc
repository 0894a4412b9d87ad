#include "ingest/sampling.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "ingest/number_values.h"
#include "ingest/verdict_text.h"

namespace prerank::ingest {
namespace {

constexpr double kFinalStage = 2;
constexpr double kImpressionStage = 4;
size_t request_end(const RowBlock& block, size_t group) {
  return group + 1 < block.request_starts.size() ? block.request_starts[group + 1] : block.rows;
}

}  // namespace

Sampler::Sampler(const IngestSpec& spec)
    : sampling_(spec.sampling),
      split_(spec.sampling.seed, spec.sampling.split_fraction, spec.sampling.split_keep_below),
      request_input_(spec.request_input),
      ad_input_(spec.ad_input) {}

void Sampler::split(const RowBlock& block, Verdict& verdict) {
  if (!split_.splits()) return;
  for (size_t group = 0; group < block.request_starts.size(); ++group) {
    const size_t begin = block.request_starts[group];
    const auto [chunk, row, origin] = locate(block, begin);
    if (split_.keeps(chunk->column(*request_input_), row)) continue;
    for (size_t lost = begin; lost < request_end(block, group); ++lost) verdict.sample_out(lost);
  }
}

Status Sampler::draw(const RowBlock& block, const RoleColumns& roles, Verdict& verdict) {
  if (draws()) {
    find_rates(block, roles, verdict);
    draw_rows(block, verdict);
  }
  return sampling_.weight_by_inverse_rate ? weigh(block, roles.weight, verdict) : Status();
}

Status Sampler::weigh(const RowBlock& block, const NumberEncoder* weight, Verdict& verdict) {
  PRERANK_ASSIGN_OR_RETURN(float* const weights, weights_.reserve(block.rows));
  for (size_t row = 0; row < block.rows; ++row) {
    const double base = weight == nullptr ? 1 : weight->values()[row];
    const double value = draws() ? base / rates_[row] : base;
    weights[row] = static_cast<float>(value);
    if (value <= kLargestFloat || !verdict.kept(row)) continue;
    const std::string label = weight == nullptr ? "weight" : weight->column().label;
    std::string text;
    append_number(value, text);
    verdict.reject(row, label, std::move(text), label + " divided by the sampling rate is too large for float32");
  }
  return {};
}

// The rate of each row, 0 for those that no draw can keep.
void Sampler::find_rates(const RowBlock& block, const RoleColumns& roles, const Verdict& verdict) {
  rates_.assign(block.rows, 1);
  if (sampling_.augment) find_pool_rates(block, roles, verdict);
  if (!sampling_.stage_rates.empty()) {
    const double* const stage = roles.stage->values();
    const auto stages = static_cast<double>(sampling_.stage_rates.size());
    for (size_t row = 0; row < block.rows; ++row) {
      // A stage outside the list has been rejected.
      const bool known = stage[row] >= 0 && stage[row] < stages;
      if (known) rates_[row] *= sampling_.stage_rates[static_cast<size_t>(stage[row])];
    }
  }
  for (double& rate : rates_) rate = std::min(rate, 1.0);
}

// Rows that were shown are kept; of the others, those in the pool by its rate, the rest not at all.
void Sampler::find_pool_rates(const RowBlock& block, const RoleColumns& roles, const Verdict& verdict) {
  const double* const impression = roles.impression == nullptr ? nullptr : roles.impression->values();
  const double* const stage = roles.stage == nullptr ? nullptr : roles.stage->values();
  in_pool_.resize(block.rows);
  for (size_t row = 0; row < block.rows; ++row) {
    // Null counts as shown: such a row has been rejected.
    const bool hidden = impression != nullptr ? impression[row] < 1 || impression[row] > 1
                                              : stage[row] < kImpressionStage;
    if (!hidden || verdict.is_dropped_duplicate(row)) {
      in_pool_[row] = 0;
      continue;
    }
    const bool chosen = sampling_.pool == Pool::kMixed ||
                        (sampling_.pool == Pool::kFinal ? stage[row] >= kFinalStage : stage[row] < kFinalStage);
    in_pool_[row] = chosen;
    rates_[row] = chosen ? sampling_.rate : 0;
  }
  if (sampling_.per_request <= 0) return;
  for (size_t group = 0; group < block.request_starts.size(); ++group) {
    const size_t begin = block.request_starts[group], end = request_end(block, group);
    const auto size = static_cast<double>(std::count(in_pool_.begin() + static_cast<ptrdiff_t>(begin),
                                                     in_pool_.begin() + static_cast<ptrdiff_t>(end), 1));
    for (size_t row = begin; row < end; ++row) {
      if (in_pool_[row] != 0) rates_[row] = std::min(sampling_.per_request / size, 1.0);
    }
  }
}

void Sampler::draw_rows(const RowBlock& block, Verdict& verdict) {
  const std::string prefix = std::to_string(sampling_.seed) + "/";
  size_t base = 0;
  for (const RowSlice& slice : block.slices) {
    const VectorView& requests = slice.chunk->column(*request_input_);
    const VectorView& ads = slice.chunk->column(*ad_input_);
    for (size_t i = 0; i < slice.rows(); ++i) {
      const double rate = rates_[base + i];
      if (rate >= 1 || !verdict.kept(base + i)) continue;
      key_ = prefix;
      append_text(requests, slice.from + i, key_);
      key_ += '/';
      append_text(ads, slice.from + i, key_);
      if (!hash_below(key_, rate)) verdict.sample_out(base + i);
    }
    base += slice.rows();
  }
}

void Sampler::append(const KeptRows& kept) {
  if (!sampling_.weight_by_inverse_rate) return;
  if (kept.all()) weights_.extend(kept.count());
  else weights_.extend_by(kept.block_rows());
}

}  // namespace prerank::ingest
