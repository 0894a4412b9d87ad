// Dropout and its gradient: both draw the mask anew from Philox(seed, step, op id, row in batch, element).
#include "base/philox.h"
#include "cpu/noise.h"
#include "cuda/elementwise.h"
#include "cuda/ops.h"

namespace prerank::cuda {
namespace {

constexpr size_t kPhiloxWords = 4;  // elements whose bits one counter gives

// kCount: floats moved at once. y may be x. Outside training it copies.
template <size_t kCount>
__global__ void mask_elements(Elements e, cpu::DropoutSettings s, const StepNumbers* numbers, Source x, Matrix y) {
  const bool training = numbers->training != 0;
  const PhiloxKey key = philox_key(numbers->seed);
  const uint64_t step = numbers->step;
  for (size_t row = e.share.first(); row < e.rows; row += e.share.step()) {
    for (size_t start = e.share.lane() * kPhiloxWords; start < e.width; start += e.share.threads() * kPhiloxWords) {
      PhiloxCounter words = {};
      if (training) words = philox4x32(op_counter(step, static_cast<int32_t>(s.op), row, start), key);
      for (size_t part = 0; part < kPhiloxWords && start + part < e.width; part += kCount) {
        Pack<kCount> values = x.load<kCount>(row, start + part);
        for (size_t i = 0; i < kCount && training; ++i) {
          values.v[i] = words[part + i] >= s.threshold ? values.v[i] * s.scale : 0.0f;
        }
        store_pack(&y.at(row, start + part), values);
      }
    }
  }
}

DeviceKernelResult make_masked(const DeviceBuild& build, const cpu::DropoutSettings& settings) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 1, 1));
  PRERANK_ASSIGN_OR_RETURN(const View x, cpu::row_input_view(build, 0));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the input", x.width, y.width));
  return make_device_kernel([=](const DeviceContext& context) -> Status {
    if (context.rows == 0) return {};
    const bool packs = views_take_packs(context, y.width, x, y);
    const Elements e = {context.rows, y.width,
                        share_for((y.width + kPhiloxWords - 1) / kPhiloxWords, kBlockThreads)};
    return launch(context.stream, e.share.blocks(e.rows), kBlockThreads,
                  packs ? mask_elements<kWidePack> : mask_elements<1>, e, settings, context.device.numbers,
                  source(x, context), matrix(y, context));
  });
}

}  // namespace

DeviceKernelResult make_dropout(const DeviceBuild& build) {
  PRERANK_ASSIGN_OR_RETURN(const cpu::DropoutSettings settings, cpu::dropout_settings(build));
  return make_masked(build, settings);
}

DeviceKernelResult make_dropout_grad(const DeviceBuild& build) {
  PRERANK_ASSIGN_OR_RETURN(const cpu::DropoutSettings settings, cpu::dropout_grad_settings(build));
  return make_masked(build, settings);
}

}  // namespace prerank::cuda
