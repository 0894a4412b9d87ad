// Gradients of operands that were broadcast over rows: added into the accumulator.
#include <utility>

#include "cuda/device.h"
#include "cuda/ops.h"
#include "cuda/row_reduction.h"

namespace prerank::cuda {
namespace {

class SumRows final : public DeviceKernel {
 public:
  SumRows(const View& x, const View& y, bool scalar, DeviceBuffer scratch)
      : x_(x), y_(y), scalar_(scalar), scratch_(std::move(scratch)) {}

  Status enqueue(const DeviceContext& context) const override {
    const auto sum = scalar_ ? add_total : add_column_sums;
    return sum(context.stream, context.rows, x_.width, x_.at(context), x_.stride, scratch_.as<float>(),
               y_.at(context));
  }

 private:
  View x_, y_;
  bool scalar_;
  DeviceBuffer scratch_;
};

}  // namespace

DeviceKernelResult make_sum_rows(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, cpu::input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::accumulator_view(build, 0));
  const bool scalar = build.number("scalar", 0) != 0;
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the accumulator", y.width, scalar ? 1 : x.width));
  const size_t capacity = build.segment_domain == Domain::kRequest ? build.requests : build.rows;
  PRERANK_ASSIGN_OR_RETURN(DeviceBuffer scratch,
                           DeviceBuffer::floats(column_sum_scratch(capacity, x.width), "a sum over rows"));
  return std::unique_ptr<DeviceKernel>(std::make_unique<SumRows>(x, y, scalar, std::move(scratch)));
}

}  // namespace prerank::cuda
