// Hand-built plans and batches for the program's tests.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "prerank/program.h"

namespace prerank::testing {

inline PlanValue root_value(std::string name, Domain domain, Storage storage, std::vector<int64_t> shape, int32_t self,
                            int64_t stride, int64_t offset = 0, int32_t binding = -1) {
  int64_t width = 1;
  for (const int64_t size : shape) width *= size;
  return {std::move(name), domain, storage, std::move(shape), width, self, 0, stride, offset, binding};
}

inline PlanValue view_value(const std::vector<PlanValue>& values, std::string name, int32_t root, int64_t column,
                            int64_t width) {
  PlanValue view = values[static_cast<size_t>(root)];
  view.name = std::move(name);
  view.shape = {width};
  view.width = width;
  view.column = column;
  return view;
}

inline PlanOp make_op(std::string kind, std::vector<int32_t> inputs, std::vector<int32_t> outputs,
                      bool backward = false) {
  PlanOp op;
  op.kind = kind;
  op.layer = "test." + kind;
  op.backward = backward;
  op.inputs = std::move(inputs);
  op.outputs = std::move(outputs);
  return op;
}

inline constexpr int64_t kTableRows = 11, kDim = 4, kDense = 3, kWidth = kDense + kDim;

// logit = W [x; mean of the bag's embeddings] + b, one task of binary cross entropy.
inline Plan linear_plan(int64_t tile_rows) {
  Plan plan;
  plan.tile_rows = tile_rows;
  plan.tile_floats = 16;
  plan.accumulator_floats = 32;
  auto& v = plan.values;
  v.push_back(root_value("x", Domain::kRow, Storage::kInput, {kDense}, 0, kDense, 0, 0));
  v.push_back(root_value("cat", Domain::kRow, Storage::kTile, {kWidth}, 1, 8));
  v.push_back(view_value(v, "x_part", 1, 0, kDense));
  v.push_back(view_value(v, "pooled", 1, kDense, kDim));
  v.push_back(root_value("W", Domain::kNone, Storage::kParam, {1, kWidth}, 4, kWidth, 0, 0));
  v.push_back(root_value("b", Domain::kNone, Storage::kParam, {1}, 5, 1, 0, 1));
  v.push_back(root_value("logit", Domain::kRow, Storage::kFull, {1}, 6, 1));
  v.push_back(root_value("dlogit", Domain::kRow, Storage::kTile, {1}, 7, 1, 8));
  v.push_back(root_value("dW", Domain::kNone, Storage::kGrad, {1, kWidth}, 8, kWidth, 0, 4));
  v.push_back(root_value("db", Domain::kNone, Storage::kGrad, {1}, 9, 1, 16, 5));
  v.push_back(root_value("dcat", Domain::kRow, Storage::kFull, {kWidth}, 10, 8));
  v.push_back(view_value(v, "dpooled", 10, kDense, kDim));
  PlanSegment segment;
  PlanOp lookup = make_op("embedding", {}, {3});
  lookup.lists = {{"idInputs", {0}}, {"pooling", {1}}};
  PlanOp linear = make_op("linear", {1, 4, 5}, {6});
  linear.strings["activation"] = "none";
  segment.ops = {lookup, make_op("copy", {0}, {2}), linear, make_op("loss", {6}, {7}),
                 make_op("linear.dw", {7, 1}, {8, 9}, true), make_op("linear.dx", {7, 4}, {10}, true)};
  plan.segments = {segment};
  plan.dense_inputs = {{"x", Domain::kRow, kDense}};
  plan.id_inputs = {{"ad", Domain::kRow, true, false, 0}};
  plan.tables = {{"embeddings.ad", kTableRows, kDim}};
  plan.parameters = {{"top.weight", {1, kWidth}, 8}, {"top.bias", {1}, 9}};
  plan.sparse_gradients = {{0, 11, Pooling::kMean}};
  PlanTask task;
  task.name = "click";
  task.weight = 1.5;
  plan.tasks = {task};
  plan.outputs = {{"logit", 6}, {"dW", 8}, {"db", 9}};
  return plan;
}

inline std::shared_ptr<ParameterStore> linear_store(DenseOptimizerKind dense = DenseOptimizerKind::kSgd,
                                                    SparseOptimizerKind sparse = SparseOptimizerKind::kRowwiseAdagrad) {
  ParameterStore::Options options;
  options.parameters = {{"top.weight", {1, kWidth}, {InitKind::kUniform, 0.5}, false},
                        {"top.bias", {1}, {InitKind::kConstant, 0.1}, false},
                        {"embeddings.ad", {kTableRows, kDim}, {InitKind::kUniform, 0.5}, true}};
  options.dense.kind = dense;
  options.sparse.kind = sparse;
  return std::move(ParameterStore::create(options)).value();
}

// A random training batch for linear_plan with its table index, and its memory.
struct LinearBatch {
  explicit LinearBatch(size_t rows, uint64_t seed = 1) {
    std::mt19937 random(static_cast<uint32_t>(seed));
    std::uniform_real_distribution<float> unit(-1, 1);
    offsets = {0};
    for (size_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < kDense; ++c) x.push_back(unit(random));
      for (size_t n = random() % 4; n > 0; --n) ids.push_back(static_cast<uint32_t>(random() % kTableRows));
      offsets.push_back(static_cast<uint32_t>(ids.size()));
      mask.push_back(random() % 5 == 0 ? 0 : 1);
      target.push_back(unit(random) > 0 ? 1.0f : 0.0f);
      weight.push_back(1.5f + unit(random));
    }
    double total = 0;
    for (size_t r = 0; r < rows; ++r) total += mask[r] != 0 ? static_cast<double>(weight[r]) : 0.0;
    batch.rows = rows;
    batch.dense = {x.data()};
    batch.ids = {{ids, offsets, {}}};
    batch.task_mask = mask;
    batch.targets = {target.data()};
    batch.inv_n = {total > 0 ? 1 / total : 0};
    batch.weight = weight.data();
    index();
  }
  LinearBatch(const LinearBatch&) = delete;
  LinearBatch& operator=(const LinearBatch&) = delete;

  void index() {
    std::map<uint32_t, std::vector<uint32_t>> bags;
    for (size_t r = 0; r < batch.rows; ++r) {
      for (uint32_t e = offsets[r]; e < offsets[r + 1]; ++e) bags[ids[e]].push_back(static_cast<uint32_t>(r));
    }
    starts = {0};
    for (const auto& [row, of_row] : bags) {
      distinct.push_back(row);
      for (const uint32_t bag : of_row) {
        entry_bags.push_back(bag);
        inputs.push_back(0);
        coefficients.push_back(1.0f / static_cast<float>(offsets[bag + 1] - offsets[bag]));
      }
      starts.push_back(static_cast<uint32_t>(entry_bags.size()));
    }
    batch.table_index = {{distinct, starts, entry_bags, inputs, coefficients}};
  }

  Batch batch;
  std::vector<float> x, target, weight, coefficients;
  std::vector<uint32_t> ids, offsets, mask, distinct, starts, entry_bags;
  std::vector<uint16_t> inputs;
};

inline std::unique_ptr<Program> make_program(Plan plan, const std::shared_ptr<ParameterStore>& store, size_t threads,
                                             size_t capacity, ProgramOptions options = {}) {
  options.threads = threads;
  options.capacity = capacity;
  auto program = Program::create(std::move(plan), store, options);
  if (!program.ok()) return nullptr;
  return std::move(program).value();
}

}  // namespace prerank::testing
