// Cross entropy of a softmax over nested events: class k is the first event of the list that happened, the last class
// none.
#include "cpu/nested_events.h"
#include "cuda/elementwise.h"
#include "cuda/ops.h"

namespace prerank::cuda {
namespace {

constexpr size_t kMaxEvents = 32;  // bits of the mask

struct EventTasks {
  unsigned int tasks[kMaxEvents] = {};
  unsigned int count = 0;
  uint32_t mask = 0;
};

// One thread a row: few classes lie side by side.
__global__ void nested_cross_entropy(size_t rows, EventTasks events, const uint32_t* task_mask,
                                     const float* const* targets, Matrix logits, Matrix loss, Matrix slope) {
  for (size_t r = first_item(); r < rows; r += item_stride()) {
    const float* const z = &logits.at(r, 0);
    float* const d = &slope.at(r, 0);
    if ((task_mask[r] & events.mask) != events.mask) {
      loss.at(r, 0) = 0;
      for (unsigned int k = 0; k <= events.count; ++k) d[k] = 0;
      continue;
    }
    unsigned int label = 0;
    while (label < events.count && !(targets[events.tasks[label]][r] > 0.5f)) ++label;
    float top = z[0];
    for (unsigned int k = 1; k <= events.count; ++k) top = top < z[k] ? z[k] : top;
    const double largest = static_cast<double>(top);
    double total = 0;
    for (unsigned int k = 0; k <= events.count; ++k) total += exp(static_cast<double>(z[k]) - largest);
    loss.at(r, 0) = static_cast<float>(largest + log(total) - static_cast<double>(z[label]));
    for (unsigned int k = 0; k <= events.count; ++k) {
      const double p = exp(static_cast<double>(z[k]) - largest) / total;
      d[k] = static_cast<float>(p - (k == label ? 1.0 : 0.0));
    }
  }
}

Result<EventTasks> event_tasks(const DeviceBuild& build) {
  PRERANK_ASSIGN_OR_RETURN(const cpu::NestedEvents nested, cpu::nested_events(build));
  if (nested.tasks.size() > kMaxEvents) return cpu::invalid(build, "at most 32 tasks have a bit in the mask");
  EventTasks events;
  for (const size_t task : nested.tasks) events.tasks[events.count++] = static_cast<unsigned int>(task);
  events.mask = nested.mask;
  return events;
}

}  // namespace

DeviceKernelResult make_cross_entropy(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 1, 2));
  PRERANK_ASSIGN_OR_RETURN(const View logits, cpu::row_input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View loss, cpu::output_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View slope, cpu::output_view(build, 1));
  PRERANK_ASSIGN_OR_RETURN(const EventTasks events, event_tasks(build));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the logits", logits.width, size_t{events.count} + 1));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the loss", loss.width, 1));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the slope", slope.width, logits.width));
  return make_device_kernel([=](const DeviceContext& context) -> Status {
    if (context.rows == 0) return {};
    return launch(context.stream, blocks_for(context.rows), kBlockThreads, nested_cross_entropy, context.rows, events,
                  context.input.task_mask, context.input.targets, matrix(logits, context), matrix(loss, context),
                  matrix(slope, context));
  });
}

}  // namespace prerank::cuda
