// A pairwise loss over the whole batch: rows with an event should score above near misses and above plain rows by a
// margin each. Sorted scores and running sums make it O(n log n); sums run over rows in order of score, then of row, so
// the result depends on the batch alone.
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "cpu/operands.h"
#include "cpu/ops.h"
#include "cpu/pairwise_settings.h"

namespace prerank::cpu {
namespace {

struct PairedRow {
  double score, weight;
  size_t row;

  bool operator<(const PairedRow& other) const {
    return score != other.score ? score < other.score : row < other.row;
  }
};

double weight_of_rows(std::span<const PairedRow> rows) {
  double total = 0;
  for (const PairedRow& row : rows) total += row.weight;
  return total;
}

class PairwiseKernel final : public Kernel {
 public:
  PairwiseKernel(const PairwiseSettings& settings, size_t capacity)
      : settings_(settings), score_(settings.score), loss_(settings.loss), slope_(settings.slope) {
    for (std::vector<PairedRow>* rows : {&events_, &near_, &plain_}) rows->reserve(capacity);
    slopes_.reserve(capacity);
  }

  // One worker runs it, on all rows.
  void run(const TileContext& context) const override {
    slopes_.assign(context.rows, 0.0);
    const bool finite = collect(context);
    const double loss = finite ? term(near_, settings_.near_margin) + term(plain_, settings_.plain_margin)
                               : std::numeric_limits<double>::quiet_NaN();
    float* const y = loss_.at(context);
    float* const slope = slope_.at(context);
    for (size_t r = 0; r < context.rows; ++r) {
      y[r * loss_.stride] = static_cast<float>(loss);
      slope[r * slope_.stride] = static_cast<float>(slopes_[r]);
    }
  }

 private:
  // Rows by class, sorted by score; false when a score is not finite.
  bool collect(const TileContext& context) const {
    const Batch& batch = *context.batch;
    for (std::vector<PairedRow>* rows : {&events_, &near_, &plain_}) rows->clear();
    const uint32_t both = 1u << settings_.event | 1u << settings_.condition;
    const float* const events = batch.targets[settings_.event];
    const float* const conditions = batch.targets[settings_.condition];
    const float* const scores = score_.at(context);
    for (size_t r = 0; r < context.rows; ++r) {
      if ((batch.task_mask[r] & both) != both) continue;
      const double weight = batch.weight == nullptr ? 1.0 : static_cast<double>(batch.weight[r]);
      const PairedRow row = {static_cast<double>(scores[r * score_.stride]), weight, r};
      if (!std::isfinite(row.score)) return false;
      (events[r] > 0.5f ? events_ : conditions[r] > 0.5f ? near_ : plain_).push_back(row);
    }
    for (std::vector<PairedRow>* rows : {&events_, &near_, &plain_}) std::sort(rows->begin(), rows->end());
    return true;
  }

  // The loss of the pairs of events and `others`; adds to the slopes.
  double term(std::span<const PairedRow> others, double margin) const {
    const double pairs = weight_of_rows(events_) * weight_of_rows(others);
    if (!(pairs > 0)) return 0;
    const double scale = settings_.mean ? 1 / pairs : 1.0;
    double loss = 0;
    // Events from the best down: the others within their margin only grow.
    double weight = 0, sum = 0, squares = 0;
    size_t taken = others.size();
    for (size_t i = events_.size(); i-- > 0;) {
      const PairedRow& event = events_[i];
      const double distance = margin - event.score;
      for (; taken > 0 && distance + others[taken - 1].score > 0; --taken) {
        const PairedRow& other = others[taken - 1];
        weight += other.weight;
        sum += other.weight * other.score;
        squares += other.weight * other.score * other.score;
      }
      const double gaps = weight * distance + sum;
      loss += event.weight * (settings_.squared ? distance * (gaps + sum) + squares : gaps);
      slopes_[event.row] -= scale * event.weight * (settings_.squared ? 2 * gaps : weight);
    }
    // The others from the worst up: the events within their margin only grow.
    weight = sum = 0;
    size_t next = 0;
    for (const PairedRow& other : others) {
      for (; next < events_.size() && margin - events_[next].score + other.score > 0; ++next) {
        weight += events_[next].weight;
        sum += events_[next].weight * events_[next].score;
      }
      const double gaps = weight * (margin + other.score) - sum;
      slopes_[other.row] += scale * other.weight * (settings_.squared ? 2 * gaps : weight);
    }
    return scale * loss;
  }

  PairwiseSettings settings_;
  View score_, loss_, slope_;
  // Of one run; here, so that a step allocates nothing.
  mutable std::vector<PairedRow> events_, near_, plain_;
  mutable std::vector<double> slopes_;
};

Result<size_t> paired_task(const KernelBuild& build, const char* key) {
  const double task = build.number(key, -1);
  if (task >= 0 && task < static_cast<double>(build.plan->tasks.size())) return static_cast<size_t>(task);
  return invalid(build, std::string("its ") + key + " is no task of the plan");
}

bool has_string(const KernelBuild& build, const std::string& key, const std::string& value) {
  const auto found = build.op->strings.find(key);
  return found != build.op->strings.end() && found->second == value;
}

}  // namespace

Result<PairwiseSettings> pairwise_settings(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 1, 2));
  PairwiseSettings settings;
  PRERANK_ASSIGN_OR_RETURN(settings.score, row_input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(settings.loss, output_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(settings.slope, output_view(build, 1));
  for (const View& view : {settings.score, settings.loss, settings.slope}) {
    PRERANK_RETURN_IF_ERROR(check_width(build, "an operand", view.width, 1));
  }
  PRERANK_ASSIGN_OR_RETURN(settings.event, paired_task(build, "event"));
  PRERANK_ASSIGN_OR_RETURN(settings.condition, paired_task(build, "condition"));
  settings.near_margin = build.number("nearMargin", 0);
  settings.plain_margin = build.number("plainMargin", 0);
  settings.squared = has_string(build, "surrogate", "squaredHinge");
  settings.mean = has_string(build, "norm", "mean");
  return settings;
}

Result<PairwiseGradient> pairwise_gradient(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 2, 1));
  PairwiseGradient gradient;
  PRERANK_ASSIGN_OR_RETURN(gradient.dy, row_input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(gradient.slope, row_input_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(gradient.dx, output_view(build, 0));
  for (const View& view : {gradient.dy, gradient.slope, gradient.dx}) {
    PRERANK_RETURN_IF_ERROR(check_width(build, "an operand", view.width, 1));
  }
  return gradient;
}

KernelResult make_pairwise_rank(const KernelBuild& build) {
  PRERANK_ASSIGN_OR_RETURN(const PairwiseSettings settings, pairwise_settings(build));
  return std::unique_ptr<Kernel>(std::make_unique<PairwiseKernel>(settings, build.rows));
}

KernelResult make_pairwise_rank_grad(const KernelBuild& build) {
  PRERANK_ASSIGN_OR_RETURN(const PairwiseGradient gradient, pairwise_gradient(build));
  return make_kernel([dy = gradient.dy, slope = gradient.slope, dx = gradient.dx](const TileContext& context) {
    double total = 0;
    const float* const g = dy.at(context);
    for (size_t r = 0; r < context.rows; ++r) total += static_cast<double>(g[r * dy.stride]);
    const float* const s = slope.at(context);
    float* const d = dx.at(context);
    for (size_t r = 0; r < context.rows; ++r) {
      d[r * dx.stride] = static_cast<float>(total * static_cast<double>(s[r * slope.stride]));
    }
  });
}

}  // namespace prerank::cpu
