// Ranking metrics over millions of rows; definitions in the metrics' specification. Inputs are finite and of equal
// length; `weights` may be empty (all 1).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "prerank/status.h"

namespace prerank {

// Weighted AUC with ties at 1/2. Label y in [0, 1] is w*y of positive and w*(1-y) of negative mass. NaN without both.
Result<double> auc(std::span<const double> scores, std::span<const double> labels, std::span<const double> weights);

// What a group counts in GAUC.
enum class GroupWeight : uint8_t { kRows, kClicks, kOne };  // sum of weights, of weights * labels, 1

struct GroupedAuc {
  double weighted_sum = 0;  // sum over groups of n_g * AUC_g
  double weight = 0;        // sum of n_g
  uint64_t groups = 0;      // groups with both classes
};
Result<GroupedAuc> grouped_auc(std::span<const double> scores, std::span<const double> labels,
                               std::span<const double> weights, std::span<const uint32_t> groups,
                               GroupWeight group_weight);

// Per request, in ascending order of its code.
struct RequestRecall {
  double rows = 0;
  double k = 0;                 // min(k, rows)
  double hits = 0;              // rows both in the top early_k by early score and in the top k by final score
  double soft_numerator = 0;    // final scores summed over the early top early_k
  double soft_denominator = 0;  // over the final top k
  double dcg = 0, idcg = 0;     // linear gain max(final, 0), first k
};
struct RecallResult {
  std::vector<uint32_t> requests;
  std::vector<RequestRecall> per_request;
};
// Order: score descending, ties by row ascending. kInvalidArgument for k or early_k of 0.
Result<RecallResult> recall(std::span<const double> early, std::span<const double> final_scores,
                            std::span<const uint32_t> groups, uint64_t k, uint64_t early_k);

}  // namespace prerank
