// The plan: what TypeScript compiled a model to (src/runtime/plan.ts is its mirror, field by field).
// A plan is data. A Program (program.h) instantiates it on a device.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace prerank {

// What the leading dimension of a value counts.
enum class Domain : uint8_t {
  kNone,     // parameter-shaped: no leading dimension
  kRequest,  // one row per request of the batch
  kRow,      // one row per candidate of the batch
};

// Where a value's memory is.
enum class Storage : uint8_t {
  kTile,   // in each worker's tile arena; lives within one segment
  kFull,   // [capacity of the domain, stride], for the whole batch; crosses segments, or is read after the step
  kInput,  // in the batch: dense input number `binding`
  kParam,  // in the parameter store: dense parameter number `binding` of the plan
  kNone,   // in the program's none arena (domain none, not a parameter)
  kGrad,   // gradient of a domain-none value, summed over rows: one accumulator per worker, then reduced
};

// A matrix view. Row r of a row/request value starts at base(root) + r * stride + column.
// Views that share a root alias it: this is how concat and slice cost nothing.
struct PlanValue {
  std::string name;
  Domain domain = Domain::kRow;
  Storage storage = Storage::kTile;
  std::vector<int64_t> shape;  // without the leading row/request dimension; [] is a scalar (width 1)
  int64_t width = 0;           // product of shape: floats per row, or elements for domain none
  int32_t root = -1;           // value that owns the memory (itself when it is the owner)
  int64_t column = 0;          // first float of this view in a row of the root (0 for roots)
  int64_t stride = 0;          // floats between rows of the root
  int64_t offset = 0;          // kTile: floats per row before the root in the tile arena (times tile rows = float offset).
                               // kNone, kGrad: floats before it in the none arena / accumulator arena
  int32_t binding = -1;        // kInput: index in Plan::dense_inputs. kParam: index in Plan::parameters.
                               // kGrad: id of the value whose gradient it is
};

// One kernel call. `kind` selects the kernel from the registry (kernel.h).
struct PlanOp {
  std::string kind;
  std::string layer;  // dotted layer name, for error messages and profiles
  bool backward = false;
  int32_t id = 0;  // stable across recompilation of the same graph; part of the Philox key
  std::vector<int32_t> inputs;
  std::vector<int32_t> outputs;
  std::map<std::string, double> numbers;
  std::map<std::string, std::string> strings;
  std::map<std::string, std::vector<double>> lists;
};

enum class Phase : uint8_t {
  kPrologue,  // domain none, before the tiles
  kTiles,     // row- or request-parallel
  kBatch,     // rows, all of them at once, between tiles
  kReduced,   // domain none, after the accumulators are reduced
};

struct PlanSegment {
  Domain domain = Domain::kRow;
  Phase phase = Phase::kTiles;
  std::vector<PlanOp> ops;
};

struct PlanDenseInput {
  std::string name;
  Domain domain = Domain::kRow;
  int64_t width = 0;
};

struct PlanIdInput {
  std::string name;
  Domain domain = Domain::kRow;
  bool multi = false;     // a list per row, else exactly one id per row
  bool weighted = false;  // lists only: a float weight per id
  int32_t table = -1;     // index in Plan::tables
};

struct PlanTable {
  std::string name;  // parameter store name: embeddings.<table>
  int64_t rows = 0;
  int64_t dim = 0;
};

struct PlanParameter {
  std::string name;
  std::vector<int64_t> shape;
  int32_t grad = -1;  // value id (storage kGrad) of its gradient; -1: not trained by this plan
};

enum class Pooling : uint8_t { kSum, kMean };

// dL/d(pooled) of one lookup, read by the sparse update after the tiles.
struct PlanSparseGradient {
  int32_t id_input = -1;
  int32_t value = -1;  // storage kFull
  Pooling pooling = Pooling::kSum;
};

// kMean: the value itself, whatever the target.
enum class LossKind : uint8_t { kBce, kMse, kHuber, kPseudoHuber, kLogCosh, kMean };

// Task k of the fused loss; its mask is bit k of Batch::task_mask, its target Batch::targets[k].
struct PlanTask {
  std::string name;
  LossKind kind = LossKind::kBce;
  double weight = 1;   // lambda_k
  double delta = 1;    // Huber, pseudo-Huber: edge; log-cosh: scale s (r / s)
  int32_t logits = 0;  // index into the loss op's inputs: two tasks may share one (teacher target `ctr`)
};

enum class BalancingKind : uint8_t {
  kFixed,        // the sum of the weighted gradients
  kUncertainty,  // trained log-variances scale the tasks' losses
  kPcgrad,       // conflicting gradients of shared parameters are projected
  kMgda,         // the convex combination of least norm, times the number of tasks
};

// By what MGDA divides the tasks' gradients before it weighs them.
enum class GradientNorm : uint8_t { kNone, kL2, kLoss, kLossL2 };

// A gradient by the logits that it comes from: one value each, -1 where it does not depend on them. The combination
// replaces the first.
struct PlanParts {
  std::vector<int32_t> values;
};

// How tasks share parameters. Tasks that train the same logits count as one.
struct PlanBalancing {
  BalancingKind kind = BalancingKind::kFixed;
  GradientNorm norm = GradientNorm::kNone;
  std::vector<PlanParts> dense;   // kGrad: gradients of parameters that several logits depend on
  std::vector<PlanParts> pooled;  // kFull: dL/d(pooled) to combine as the dense ones
  int32_t log_variances = -1;     // kUncertainty: index in Plan::parameters, one element per task
};

struct PlanOutput {
  std::string name;
  int32_t value = -1;  // storage kFull or kNone or kGrad
};

struct Plan {
  int64_t tile_rows = 256;
  int64_t tile_floats = 0;         // floats per tile row over all tile buffers
  int64_t none_floats = 0;         // size of the none arena
  int64_t accumulator_floats = 0;  // size of one worker's accumulator arena
  std::vector<PlanValue> values;
  std::vector<PlanSegment> segments;  // in execution order; prologue first, kReduced last
  std::vector<PlanDenseInput> dense_inputs;
  std::vector<PlanIdInput> id_inputs;
  std::vector<PlanTable> tables;
  std::vector<PlanParameter> parameters;
  std::vector<PlanSparseGradient> sparse_gradients;
  std::vector<PlanTask> tasks;  // empty for a prediction plan
  std::optional<PlanBalancing> balancing;
  std::vector<PlanOutput> outputs;
};

}  // namespace prerank
