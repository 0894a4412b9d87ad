// How an operation joins the CPU executor: one file in native/cpu registers a factory under the op's kind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "prerank/batch.h"
#include "prerank/plan.h"
#include "prerank/status.h"
#include "prerank/table_weights.h"

namespace prerank {

struct TableView {
  TableWeights weights;  // [rows, dim], contiguous
  int64_t rows = 0;
  int64_t dim = 0;
};

// Running sums of one task of the fused loss, unscaled by lambda (specs of the fused loss, section 3).
struct TaskStats {
  double loss = 0;        // sum of w * loss
  double weight = 0;      // sum of w over the task's rows
  double count = 0;       // rows of the task
  double prediction = 0;  // sum of w * sigmoid(logit), or w * prediction for regression
  double target = 0;      // sum of w * y
  double target_sq = 0;   // sum of w * y^2
  double nonfinite = 0;   // rows whose loss or gradient was not finite
  double first_row = -1;  // row in the batch of the first such row
};

// What a kernel may touch while it runs on one tile (or once, for domain none).
struct TileContext {
  size_t first_row = 0;     // of the tile, in the segment's domain
  size_t rows = 0;          // of the tile; 1 for domain none
  size_t worker = 0;
  uint64_t seed = 0;
  uint64_t step = 0;
  bool training = false;
  const Batch* batch = nullptr;
  std::span<float* const> base;  // per plan value: address of the value's first float for this tile's first row
                                 // (domain none: of its only row; kGrad: in this worker's accumulator;
                                 // another row domain than the segment's: of its row 0)
  std::span<TaskStats> stats;    // this worker's, per task
  std::span<const double> task_scale;  // factor on each task's weight; empty: 1
  float* scratch = nullptr;            // this worker's, Kernel::scratch() floats: the next kernel writes over them
};

// A prepared operation. Neither prepare() nor run() may allocate, lock or fail; both may come from several workers at
// once.
class Kernel {
 public:
  virtual ~Kernel() = default;
  // Every worker calls it after the operations of domain none and before any run(), whenever parameters have changed: for
  // copies of parameters in another order. The context has no rows.
  virtual void prepare(const TileContext&) {}
  virtual void run(const TileContext& context) const = 0;
  // Floats that run() needs beside its values.
  virtual size_t scratch() const { return 0; }
};

// All that a factory may look at.
struct KernelBuild {
  const Plan* plan = nullptr;
  const PlanOp* op = nullptr;
  Domain segment_domain = Domain::kRow;
  std::span<const TableView> tables;  // per Plan::tables
  size_t workers = 1;
  size_t rows = 0;  // of the largest batch
  bool bfloat16_products = false;  // dense layers multiply operands rounded to bfloat16

  const PlanValue& input(size_t i) const { return plan->values[static_cast<size_t>(op->inputs[i])]; }
  const PlanValue& output(size_t i) const { return plan->values[static_cast<size_t>(op->outputs[i])]; }
  double number(const std::string& key, double fallback) const {
    const auto found = op->numbers.find(key);
    return found == op->numbers.end() ? fallback : found->second;
  }
};

using KernelFactory = std::function<Result<std::unique_ptr<Kernel>>(const KernelBuild&)>;

// Kinds known to the CPU executor; the table is built once from native/cpu/registry.cc.
Result<std::unique_ptr<Kernel>> make_cpu_kernel(const KernelBuild& build);
std::vector<std::string> cpu_kernel_kinds();

}  // namespace prerank
