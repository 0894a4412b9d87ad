// Moving values between views: copy, zero, constant, addInto.
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "cuda/device.h"
#include "cuda/elementwise.h"
#include "cuda/functions.h"
#include "cuda/ops.h"
#include "cuda/upload.h"

namespace prerank::cuda {
namespace {

struct Zero {
  __device__ float operator()() const { return 0.0f; }
};

}  // namespace

DeviceKernelResult make_copy(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, cpu::input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the input", x.width, y.width));
  return make_device_kernel([=](const DeviceContext& context) { return enqueue_map(context, Same(), x, y); });
}

DeviceKernelResult make_zero(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 0, 1));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::output_view(build, 0));
  return make_device_kernel([=](const DeviceContext& context) {
    return enqueue_elements(context.stream, context.rows, y.width, Zero(), matrix(y, context));
  });
}

DeviceKernelResult make_constant(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 0, 1));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::accumulator_view(build, 0));
  const auto found = build.op->lists.find("values");
  if (found == build.op->lists.end()) return cpu::invalid(build, "attribute 'values' is missing");
  const std::vector<float> values(found->second.begin(), found->second.end());
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the result", y.width, values.size()));
  PRERANK_ASSIGN_OR_RETURN(DeviceBuffer held, upload_array(std::span<const float>(values), "a constant"));
  return make_device_kernel(
      [y, held = std::make_shared<const DeviceBuffer>(std::move(held))](const DeviceContext& context) {
        return enqueue_elements(context.stream, 1, y.width, Same(), matrix(y, context),
                                Source{held->as<float>(), y.width});
      });
}

DeviceKernelResult make_add_into(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, cpu::input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the input", x.width, y.width));
  return make_device_kernel([=](const DeviceContext& context) { return enqueue_zip(context, Add(), y, x, y); });
}

}  // namespace prerank::cuda
