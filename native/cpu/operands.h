// What a factory needs to turn the values of a plan's operation into addresses, checked once when it is built.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "cpu/dispatch.h"
#include "cpu/simd/table.h"
#include "prerank/kernel.h"

namespace prerank::cpu {

// A value of the plan as a kernel sees it.
struct View {
  size_t value = 0;
  size_t stride = 0;  // floats between rows, 0 for domain none
  size_t width = 0;

  float* at(const TileContext& context) const { return context.base[value]; }
};

// "layer (kind): message" as kInvalidArgument.
Status invalid(const KernelBuild& build, const std::string& message);

// The operation has as many operands, and each names a value of the plan.
Status check_arity(const KernelBuild& build, size_t inputs, size_t outputs);
Status check_values(const KernelBuild& build);
Status check_width(const KernelBuild& build, const char* what, size_t width, size_t expected);

// Operand of the segment's domain, or of domain none (stride 0).
Result<View> input_view(const KernelBuild& build, size_t i);
// Operand of the segment's domain only.
Result<View> row_input_view(const KernelBuild& build, size_t i);
Result<View> output_view(const KernelBuild& build, size_t i);
// A value outside the segment's domain rules: `domain` is required.
Result<View> input_view_of(const KernelBuild& build, size_t i, Domain domain);
// A gradient accumulator, or any output of domain none.
Result<View> accumulator_view(const KernelBuild& build, size_t i);

// Named strings of the plan as functions of the table.
Result<MapFunction> map_function(const KernelBuild& build, const std::string& key);

// A rows x width loop, as one row when everything is contiguous.
struct Extent {
  size_t rows, width;
};
inline Extent extent(size_t rows, size_t width, std::initializer_list<size_t> strides) {
  for (const size_t stride : strides) {
    if (stride != width) return {rows, width};
  }
  return {1, rows * width};
}

template <class Function>
class FunctionKernel final : public Kernel {
 public:
  explicit FunctionKernel(Function function) : function_(std::move(function)) {}
  void run(const TileContext& context) const override { function_(context); }

 private:
  Function function_;
};

// A kernel whose run() calls `function`.
template <class Function>
std::unique_ptr<Kernel> make_kernel(Function function) {
  return std::make_unique<FunctionKernel<Function>>(std::move(function));
}

}  // namespace prerank::cpu
