// Cross entropy of a softmax over nested events: class k is the first event of the list that happened, the last class none.
#include <algorithm>
#include <cmath>

#include "cpu/nested_events.h"
#include "cpu/operands.h"
#include "cpu/ops.h"

namespace prerank::cpu {
namespace {

// Of a row that has every label.
size_t class_of(const NestedEvents& events, const Batch& batch, size_t row) {
  size_t k = 0;
  while (k < events.tasks.size() && !(batch.targets[events.tasks[k]][row] > 0.5f)) ++k;
  return k;
}

}  // namespace

Result<NestedEvents> nested_events(const KernelBuild& build) {
  NestedEvents events;
  const auto found = build.op->lists.find("events");
  if (found == build.op->lists.end() || found->second.empty()) return invalid(build, "attribute 'events' is missing");
  for (const double task : found->second) {
    if (!(task >= 0 && task < static_cast<double>(build.plan->tasks.size()))) {
      return invalid(build, "one of its events is no task of the plan");
    }
    events.tasks.push_back(static_cast<size_t>(task));
    events.mask |= 1u << events.tasks.back();
  }
  return events;
}

KernelResult make_cross_entropy(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 1, 2));
  PRERANK_ASSIGN_OR_RETURN(const View logits, row_input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View loss, output_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View slope, output_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const NestedEvents events, nested_events(build));
  PRERANK_RETURN_IF_ERROR(check_width(build, "the logits", logits.width, events.tasks.size() + 1));
  PRERANK_RETURN_IF_ERROR(check_width(build, "the loss", loss.width, 1));
  PRERANK_RETURN_IF_ERROR(check_width(build, "the slope", slope.width, logits.width));
  return make_kernel([=](const TileContext& context) {
    const Batch& batch = *context.batch;
    const float* z = logits.at(context);
    float* y = loss.at(context);
    float* d = slope.at(context);
    for (size_t r = 0; r < context.rows; ++r, z += logits.stride, y += loss.stride, d += slope.stride) {
      const size_t row = context.first_row + r;
      if ((batch.task_mask[row] & events.mask) != events.mask) {
        *y = 0;
        std::fill_n(d, logits.width, 0.0f);
        continue;
      }
      const double largest = static_cast<double>(*std::max_element(z, z + logits.width));
      double total = 0;
      for (size_t k = 0; k < logits.width; ++k) total += std::exp(static_cast<double>(z[k]) - largest);
      const size_t label = class_of(events, batch, row);
      *y = static_cast<float>(largest + std::log(total) - static_cast<double>(z[label]));
      for (size_t k = 0; k < logits.width; ++k) {
        const double p = std::exp(static_cast<double>(z[k]) - largest) / total;
        d[k] = static_cast<float>(p - (k == label ? 1.0 : 0.0));
      }
    }
  });
}

}  // namespace prerank::cpu
