// How an operation joins the CUDA executor: one file in native/cuda registers a factory under the op's kind (registry.cc).
// The operands are those of the CPU's kernels, with addresses of the device: a segment is one tile that holds every row.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cpu/operands.h"
#include "prerank/kernel.h"
#include "prerank/plan.h"
#include "prerank/status.h"

namespace prerank::cuda {

class LinearLinks;
class Products;
struct CachedTable;

using cpu::View;

// The numbers of a step that a captured graph must not hold: kernels read them from the device.
struct StepNumbers {
  uint64_t seed = 0;
  uint64_t step = 0;
  uint32_t training = 0;  // 1: dropout and gates draw noise
  uint32_t update = 0;    // 0: gradients only
  cpu::UpdateConstants dense = {}, sparse = {};  // their grad_scale is 1: clipping's comes from StepResult
};

// What a step leaves on the device: the loss and the transform phase write it, the update reads it, the host gets a copy.
struct StepResult {
  double norm = 0;            // of the gradients in clipping's scope, before clipping
  float dense_scale = 1;      // factor on dense gradients: clipping
  float sparse_scale = 1;     // factor on table gradients
  uint32_t refused = 0;       // not 0: a loss or the norm is not finite, nothing may change
};

// Ids of one categorical feature, on the device. Single-valued: offsets is null and bag r is ids[r].
struct DeviceIds {
  const uint32_t* ids = nullptr;
  const uint32_t* offsets = nullptr;
  const float* weights = nullptr;  // null: 1
  uint32_t last = 0;               // of the batch's own bags: those behind it are its copies
};

// The batch on the device. Addresses do not change from step to step; what they point to does. Rows behind the batch's own
// (padded_size.h) are copies of its last one: they have its dense inputs, its request and bits of 0 in the mask; their
// ids, targets and weights are undefined. Requests behind the batch's own have the last one's inputs and no rows.
struct DeviceBatch {
  const DeviceIds* ids = nullptr;            // per Plan::id_inputs, itself on the device
  const uint32_t* request_of_row = nullptr;  // ascending
  const uint32_t* request_offsets = nullptr; // requests + 1
  const uint32_t* task_mask = nullptr;       // bit k: the row trains task k
  const float* const* targets = nullptr;     // per task [rows], itself on the device; undefined where the mask bit is 0
  const double* inv_n = nullptr;             // per task: 1 / sum of weights over its rows, 0 without rows
  const float* const* weight = nullptr;      // the row weights' address, itself on the device; it is null for 1
};

// Running state of a step, on the device.
struct DeviceStep {
  const StepNumbers* numbers = nullptr;
  TaskStats* stats = nullptr;            // per task; zeroed (first_row -1) before the loss
  const double* task_scale = nullptr;    // factor on each task's weight, or null for 1
  StepResult* result = nullptr;
};

// A view's memory is base[view.value] + row * view.stride, on the device (View::at). `rows` is the segment's number of rows
// (1 for domain none), known to the host. All numbers of rows and requests are those of the padded batch.
struct DeviceContext : TileContext {
  cudaStream_t stream = nullptr;
  DeviceBatch input;
  DeviceStep device;
  size_t batch_rows = 0, batch_requests = 0;
};

// A prepared operation. enqueue() only launches: it neither allocates nor waits, so that it can be captured into a graph.
// Gradient accumulators (storage kGrad) hold zeros before a step's first operation; operations add to them.
class DeviceKernel {
 public:
  virtual ~DeviceKernel() = default;
  virtual Status enqueue(const DeviceContext& context) const = 0;
};

// As KernelBuild, with what the device needs besides: scratch is allocated here, when the program is built.
struct DeviceBuild : KernelBuild {
  size_t requests = 0;  // of the largest batch
  // Per Plan::tables, on the device; null, or empty: all rows are where TableView has them.
  std::span<const CachedTable* const> cached;
  std::shared_ptr<const Products> products;
  std::shared_ptr<LinearLinks> links;  // of the plan's linear layers; null: each layer stands alone
};

using DeviceKernelResult = Result<std::unique_ptr<DeviceKernel>>;

// A kernel whose enqueue() calls `function`, which returns a Status.
template <class Function>
class FunctionDeviceKernel final : public DeviceKernel {
 public:
  explicit FunctionDeviceKernel(Function function) : function_(std::move(function)) {}
  Status enqueue(const DeviceContext& context) const override { return function_(context); }

 private:
  Function function_;
};
template <class Function>
std::unique_ptr<DeviceKernel> make_device_kernel(Function function) {
  return std::make_unique<FunctionDeviceKernel<Function>>(std::move(function));
}

DeviceKernelResult make_cuda_kernel(const DeviceBuild& build);
std::vector<std::string> cuda_kernel_kinds();

}  // namespace prerank::cuda
