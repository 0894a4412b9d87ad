#include "plan/program_memory.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>

namespace prerank {
namespace {

constexpr size_t kLine = kCacheLine / sizeof(float);

Result<AlignedBuffer> floats(size_t count, size_t each, const std::string& what) {
  size_t total = 0;
  if (__builtin_mul_overflow(count, each, &total)) total = std::numeric_limits<size_t>::max();
  auto buffer = AlignedBuffer::floats(total);
  if (!buffer.ok()) return Status(buffer.status().code(), what + ": " + buffer.status().message());
  return buffer;
}

// Where in a row of each root its first column lies. Rows are padded to cache lines; where there is room, the padding
// goes before the columns, so that the vectors of tables in them start at a line. The update reads one for each id: in
// two lines instead of three when they are 32 floats wide.
std::vector<ptrdiff_t> row_starts(const Plan& plan) {
  std::vector<ptrdiff_t> starts(plan.values.size(), 0);
  std::vector<bool> found(plan.values.size(), false);
  const auto align = [&](int32_t id) {
    const PlanValue& v = plan.values[static_cast<size_t>(id)];
    const auto root = static_cast<size_t>(v.root);
    if (found[root] || (v.storage != Storage::kFull && v.storage != Storage::kTile)) return;
    found[root] = true;
    const auto line = static_cast<int64_t>(kLine);
    const int64_t start = (line - v.column % line) % line;
    if (plan.values[root].width + start <= v.stride) starts[root] = start;
  };
  for (const PlanSparseGradient& gradient : plan.sparse_gradients) align(gradient.value);
  for (const PlanSegment& segment : plan.segments) {
    for (const PlanOp& op : segment.ops) {
      if (op.kind == "embedding") std::for_each(op.outputs.begin(), op.outputs.end(), align);
    }
  }
  // An operation may write over its first input, element by element.
  for (const PlanSegment& segment : plan.segments) {
    for (const PlanOp& op : segment.ops) {
      if (op.inputs.empty() || op.outputs.empty()) continue;
      const PlanValue& x = plan.values[static_cast<size_t>(op.inputs[0])];
      const PlanValue& y = plan.values[static_cast<size_t>(op.outputs[0])];
      const bool tiles = x.storage == Storage::kTile && y.storage == Storage::kTile;
      if (!tiles || x.root == y.root || x.offset != y.offset) continue;
      starts[static_cast<size_t>(x.root)] = starts[static_cast<size_t>(y.root)] = 0;
    }
  }
  return starts;
}

}  // namespace

Result<ProgramMemory> ProgramMemory::create(const Plan& plan, ParameterStore& store, const MemoryLimits& limits) {
  ProgramMemory memory;
  const size_t values = plan.values.size();
  memory.rows_.assign(values, nullptr);
  memory.bases_.assign(limits.workers, std::vector<float*>(values, nullptr));
  memory.accumulator_floats_ = static_cast<size_t>(plan.accumulator_floats);
  const auto own = [&memory](AlignedBuffer buffer) {
    return static_cast<float*>(memory.buffers_.emplace_back(std::move(buffer)).data());
  };

  std::vector<float*> tiles;
  for (size_t w = 0; w < limits.workers; ++w) {
    PRERANK_ASSIGN_OR_RETURN(AlignedBuffer tile, floats(static_cast<size_t>(plan.tile_floats),
                                                        static_cast<size_t>(plan.tile_rows), "tile arena"));
    tiles.push_back(own(std::move(tile)));
    PRERANK_ASSIGN_OR_RETURN(AlignedBuffer accumulator,
                             floats(memory.accumulator_floats_ + kLine, 1, "gradient accumulators"));
    memory.accumulators_.push_back(own(std::move(accumulator)));
  }
  PRERANK_ASSIGN_OR_RETURN(AlignedBuffer none_buffer, floats(static_cast<size_t>(plan.none_floats), 1, "none arena"));
  float* none = own(std::move(none_buffer));

  const std::vector<ptrdiff_t> starts = row_starts(plan);
  // Roots come first: views need their addresses.
  for (size_t i = 0; i < values; ++i) {
    const PlanValue& v = plan.values[i];
    if (v.storage != Storage::kFull || v.root != static_cast<int32_t>(i)) continue;
    const size_t capacity = v.domain == Domain::kRequest ? limits.requests : limits.rows;
    PRERANK_ASSIGN_OR_RETURN(AlignedBuffer full, floats(capacity, static_cast<size_t>(v.stride), "value " + v.name));
    memory.rows_[i] = own(std::move(full)) + starts[i];
  }
  for (size_t i = 0; i < values; ++i) {
    const PlanValue& v = plan.values[i];
    float* shared = nullptr;
    if (v.storage == Storage::kFull) shared = memory.rows_[i] = memory.rows_[static_cast<size_t>(v.root)] + v.column;
    if (v.storage == Storage::kNone) shared = none + v.offset + v.column;
    if (v.storage == Storage::kParam) {
      PRERANK_ASSIGN_OR_RETURN(const size_t parameter,
                               store.find(plan.parameters[static_cast<size_t>(v.binding)].name));
      shared = store.weights(parameter).data() + v.column;
    }
    for (size_t w = 0; w < limits.workers; ++w) {
      float*& address = memory.bases_[w][i];
      if (v.storage == Storage::kTile) {
        address = tiles[w] + v.offset * plan.tile_rows + starts[static_cast<size_t>(v.root)] + v.column;
      } else if (v.storage == Storage::kGrad) {
        address = memory.accumulators_[w] + v.offset + v.column;
      } else {
        address = shared;
      }
    }
  }
  return memory;
}

void ProgramMemory::bind_inputs(const Plan& plan, const Batch& batch) {
  for (size_t i = 0; i < plan.values.size(); ++i) {
    const PlanValue& v = plan.values[i];
    if (v.storage != Storage::kInput) continue;
    const float* input = batch.dense[static_cast<size_t>(v.binding)];
    // Kernels take one table of addresses for what they read and what they write; a checked plan writes no input.
    rows_[i] = input == nullptr ? nullptr : const_cast<float*>(input) + v.column;
    for (std::vector<float*>& base : bases_) base[i] = rows_[i];
  }
}

size_t ProgramMemory::bytes() const {
  size_t total = 0;
  for (const AlignedBuffer& buffer : buffers_) total += buffer.bytes();
  return total;
}

}  // namespace prerank
