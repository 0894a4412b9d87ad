#include "metrics/ranking.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "metrics/sort.h"

namespace prerank {
namespace {

Result<std::vector<uint32_t>> all_rows(size_t count) {
  if (count > std::numeric_limits<uint32_t>::max())
    return Status(Code::kUnsupported, "metrics take at most 4294967295 rows");
  std::vector<uint32_t> rows(count);
  std::iota(rows.begin(), rows.end(), 0u);
  return rows;
}

double weight_of(std::span<const double> weights, uint32_t row) { return weights.empty() ? 1.0 : weights[row]; }

// AUC of rows that are sorted by score.
double sorted_auc(std::span<const uint32_t> rows, std::span<const double> scores, std::span<const double> labels,
                  std::span<const double> weights) {
  double pairs = 0, positive = 0, negative = 0;
  for (size_t begin = 0; begin < rows.size();) {
    double block_positive = 0, block_negative = 0;
    size_t end = begin;
    for (; end < rows.size() && scores[rows[end]] == scores[rows[begin]]; ++end) {
      const double w = weight_of(weights, rows[end]), y = labels[rows[end]];
      block_positive += w * y;
      block_negative += w * (1 - y);
    }
    pairs += block_positive * (negative + 0.5 * block_negative);
    positive += block_positive;
    negative += block_negative;
    begin = end;
  }
  return positive > 0 && negative > 0 ? pairs / (positive * negative) : std::numeric_limits<double>::quiet_NaN();
}

double group_weight_of(std::span<const uint32_t> rows, std::span<const double> labels, std::span<const double> weights,
                       GroupWeight kind) {
  if (kind == GroupWeight::kOne) return 1;
  double sum = 0;
  for (const uint32_t row : rows) sum += weight_of(weights, row) * (kind == GroupWeight::kClicks ? labels[row] : 1.0);
  return sum;
}

// Calls each(rows of the group) for the groups of `rows`, which are sorted by group.
template <class Each>
void for_each_group(std::span<const uint32_t> rows, std::span<const uint32_t> groups, Each each) {
  for (size_t begin = 0; begin < rows.size();) {
    size_t end = begin;
    while (end < rows.size() && groups[rows[end]] == groups[rows[begin]]) ++end;
    each(rows.subspan(begin, end - begin));
    begin = end;
  }
}

// The first `count` of `rows` by score descending, then row ascending.
void select_top(std::span<const uint32_t> rows, std::span<const double> scores, size_t count,
                std::vector<uint32_t>& top) {
  top.assign(rows.begin(), rows.end());
  const auto better = [&](uint32_t a, uint32_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; };
  const auto middle = top.begin() + static_cast<ptrdiff_t>(std::min(count, top.size()));
  std::partial_sort(top.begin(), middle, top.end(), better);
  top.erase(middle, top.end());
}

double sum_of(std::span<const uint32_t> rows, std::span<const double> values) {
  double sum = 0;
  for (const uint32_t row : rows) sum += values[row];
  return sum;
}

double discounted_gain(std::span<const uint32_t> ranked, std::span<const double> gains, size_t k) {
  double sum = 0;
  for (size_t i = 0; i < std::min(k, ranked.size()); ++i) {
    sum += std::max(gains[ranked[i]], 0.0) / std::log2(static_cast<double>(i + 2));
  }
  return sum;
}

}  // namespace

Result<double> auc(std::span<const double> scores, std::span<const double> labels, std::span<const double> weights) {
  PRERANK_ASSIGN_OR_RETURN(std::vector<uint32_t> rows, all_rows(scores.size()));
  sort_by_score(scores, rows);
  return sorted_auc(rows, scores, labels, weights);
}

Result<GroupedAuc> grouped_auc(std::span<const double> scores, std::span<const double> labels,
                               std::span<const double> weights, std::span<const uint32_t> groups,
                               GroupWeight group_weight) {
  PRERANK_ASSIGN_OR_RETURN(std::vector<uint32_t> rows, all_rows(scores.size()));
  sort_by_score(scores, rows);
  sort_by_group(groups, rows);
  GroupedAuc result;
  for_each_group(rows, groups, [&](std::span<const uint32_t> group) {
    const double value = sorted_auc(group, scores, labels, weights);
    if (std::isnan(value)) return;
    const double n = group_weight_of(group, labels, weights, group_weight);
    result.weighted_sum += n * value;
    result.weight += n;
    ++result.groups;
  });
  return result;
}

Result<RecallResult> recall(std::span<const double> early, std::span<const double> final_scores,
                            std::span<const uint32_t> groups, uint64_t k, uint64_t early_k) {
  if (k == 0 || early_k == 0) return Status(Code::kInvalidArgument, "recall needs k of at least 1");
  PRERANK_ASSIGN_OR_RETURN(std::vector<uint32_t> rows, all_rows(early.size()));
  sort_by_group(groups, rows);
  RecallResult result;
  std::vector<uint32_t> picked, ranked, gold;
  for_each_group(rows, groups, [&](std::span<const uint32_t> group) {
    select_top(group, early, std::max(k, early_k), ranked);
    select_top(group, final_scores, k, gold);
    RequestRecall request;
    request.rows = static_cast<double>(group.size());
    request.k = static_cast<double>(std::min<uint64_t>(k, group.size()));
    request.dcg = discounted_gain(ranked, final_scores, k);
    request.idcg = discounted_gain(gold, final_scores, k);
    request.soft_denominator = sum_of(gold, final_scores);
    picked.assign(ranked.begin(), ranked.begin() + static_cast<ptrdiff_t>(std::min<uint64_t>(early_k, ranked.size())));
    request.soft_numerator = sum_of(picked, final_scores);
    std::sort(picked.begin(), picked.end());
    for (const uint32_t row : gold) request.hits += std::binary_search(picked.begin(), picked.end(), row) ? 1 : 0;
    result.requests.push_back(groups[group.front()]);
    result.per_request.push_back(request);
  });
  return result;
}

}  // namespace prerank
