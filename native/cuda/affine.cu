#include "cuda/elementwise.h"
#include "cuda/ops.h"

namespace prerank::cuda {
namespace {

struct Affine {
  float scale, shift;
  __device__ float operator()(float x) const { return scale * x + shift; }
};

}  // namespace

DeviceKernelResult make_affine(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, cpu::input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the input", x.width, y.width));
  const Affine affine = {static_cast<float>(build.number("scale", 1)), static_cast<float>(build.number("shift", 0))};
  return make_device_kernel([=](const DeviceContext& context) { return enqueue_map(context, affine, x, y); });
}

}  // namespace prerank::cuda
