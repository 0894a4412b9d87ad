#include "plan/plan_check.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace prerank {
namespace {

constexpr int64_t kMaxTileRows = int64_t{1} << 16;
constexpr int64_t kMaxFloats = int64_t{1} << 40;  // of any size in a plan: products with row counts stay in 64 bits
constexpr size_t kMaxTasks = 32;                  // bits of a task mask

Status wrong(std::string message) { return {Code::kInvalidArgument, "plan: " + std::move(message)}; }

template <class Item>
bool has(const std::vector<Item>& items, int64_t index) {
  return index >= 0 && static_cast<size_t>(index) < items.size();
}

std::string shape_text(std::span<const int64_t> shape) {
  std::string text = "[";
  for (const int64_t size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

// Operations that only name memory written elsewhere: a slice of a parameter writes nothing.
bool is_view(const std::string& kind) { return kind == "concat" || kind == "slice" || kind == "stopGradient"; }

bool is_writable(Storage storage) { return storage != Storage::kInput && storage != Storage::kParam; }

class PlanChecker {
 public:
  PlanChecker(const Plan& plan, const ParameterStore& store) : plan_(plan), store_(store) {}

  Status check() const {
    PRERANK_RETURN_IF_ERROR(check_sizes());
    PRERANK_RETURN_IF_ERROR(check_inputs());
    PRERANK_RETURN_IF_ERROR(check_parameters());
    for (size_t i = 0; i < plan_.values.size(); ++i) PRERANK_RETURN_IF_ERROR(check_value(i));
    PRERANK_RETURN_IF_ERROR(check_gradients());
    PRERANK_RETURN_IF_ERROR(check_segments());
    PRERANK_RETURN_IF_ERROR(check_tasks());
    PRERANK_RETURN_IF_ERROR(check_balancing());
    return check_outputs();
  }

 private:
  const PlanValue& value(int32_t index) const { return plan_.values[static_cast<size_t>(index)]; }

  Status check_sizes() const {
    if (plan_.tile_rows < 1 || plan_.tile_rows > kMaxTileRows) {
      return wrong("tileRows must be between 1 and " + std::to_string(kMaxTileRows) + ", got " +
                     std::to_string(plan_.tile_rows));
    }
    for (const auto& [name, size] : {std::pair{"tileFloats", plan_.tile_floats}, {"noneFloats", plan_.none_floats},
                                     {"accumulatorFloats", plan_.accumulator_floats}}) {
      if (size < 0 || size > kMaxFloats) return wrong(std::string(name) + " is " + std::to_string(size));
    }
    return {};
  }

  Status check_inputs() const {
    for (const PlanDenseInput& input : plan_.dense_inputs) {
      if (input.domain == Domain::kNone) return wrong("dense input " + input.name + " has no row domain");
      if (input.width < 1 || input.width > kMaxFloats) return wrong("dense input " + input.name + " has no width");
    }
    for (const PlanIdInput& input : plan_.id_inputs) {
      if (input.domain == Domain::kNone) return wrong("id input " + input.name + " has no row domain");
      if (!has(plan_.tables, input.table)) {
        return wrong("id input " + input.name + ": there is no table " + std::to_string(input.table));
      }
      if (input.weighted && !input.multi) return wrong("id input " + input.name + ": only lists can be weighted");
    }
    return {};
  }

  Status check_parameters() const {
    for (const PlanTable& table : plan_.tables) {
      PRERANK_RETURN_IF_ERROR(check_stored(table.name, {table.rows, table.dim}, true));
    }
    for (const PlanParameter& parameter : plan_.parameters) {
      PRERANK_RETURN_IF_ERROR(check_stored(parameter.name, parameter.shape, false));
    }
    return {};
  }

  Status check_stored(const std::string& name, const std::vector<int64_t>& shape, bool table) const {
    PRERANK_ASSIGN_OR_RETURN(const size_t index, store_.find(name));
    const std::span<const int64_t> stored = store_.shape(index);
    if (!std::equal(shape.begin(), shape.end(), stored.begin(), stored.end())) {
      return wrong("parameter " + name + " has shape " + shape_text(shape) + ", but " + shape_text(stored) +
                     " in the parameter store");
    }
    if (store_.options().parameters[index].table != table) {
      return wrong("parameter " + name + (table ? " is not a table" : " is a table") + " in the parameter store");
    }
    return {};
  }

  Status check_value(size_t index) const {
    const PlanValue& v = plan_.values[index];
    const std::string what = "value " + std::to_string(index) + " (" + v.name + ")";
    PRERANK_ASSIGN_OR_RETURN(const int64_t elements, shape_elements(v.shape, what));
    if (elements != v.width) {
      return wrong(what + ": its width is " + std::to_string(v.width) + ", its shape " + shape_text(v.shape));
    }
    if (!has(plan_.values, v.root)) return wrong(what + ": there is no root " + std::to_string(v.root));
    const PlanValue& root = value(v.root);
    if (root.root != v.root) return wrong(what + ": its root " + root.name + " is itself a view");
    if (root.storage != v.storage || root.domain != v.domain || root.stride != v.stride || root.offset != v.offset ||
        root.binding != v.binding) {
      return wrong(what + ": storage, domain, stride, offset or binding differ from those of its root " + root.name);
    }
    if (v.root == static_cast<int32_t>(index) && v.column != 0) return wrong(what + ": a root starts at column 0");
    if (v.column < 0 || v.column > root.width || v.width > root.width - v.column) {
      return wrong(what + ": columns " + std::to_string(v.column) + " to " + std::to_string(v.column + v.width) +
                     " lie outside its root of width " + std::to_string(root.width));
    }
    if (v.stride < root.width || v.stride > kMaxFloats) {
      return wrong(what + ": stride " + std::to_string(v.stride) + " of a root of width " + std::to_string(root.width));
    }
    return check_storage(v, what);
  }

  Status check_storage(const PlanValue& v, const std::string& what) const {
    const bool rows = v.storage == Storage::kTile || v.storage == Storage::kFull || v.storage == Storage::kInput;
    if (rows != (v.domain != Domain::kNone)) return wrong(what + ": its storage does not fit its domain");
    switch (v.storage) {
      case Storage::kTile: return check_arena(v, what, v.stride, plan_.tile_floats, "the tile arena");
      case Storage::kNone: return check_arena(v, what, value(v.root).width, plan_.none_floats, "the none arena");
      case Storage::kGrad:
        if (!has(plan_.values, v.binding)) return wrong(what + ": it is the gradient of no value");
        return check_arena(v, what, value(v.root).width, plan_.accumulator_floats, "the accumulator arena");
      case Storage::kFull: return {};
      case Storage::kInput: return check_bound_input(v, what);
      case Storage::kParam: return check_bound_parameter(v, what);
    }
    return wrong(what + ": unknown storage");
  }

  static Status check_arena(const PlanValue& v, const std::string& what, int64_t floats, int64_t arena,
                            const char* name) {
    if (v.offset >= 0 && v.offset <= arena && floats <= arena - v.offset) return {};
    return wrong(what + ": offset " + std::to_string(v.offset) + " and " + std::to_string(floats) +
                   " floats lie outside " + name + " of " + std::to_string(arena));
  }

  Status check_bound_input(const PlanValue& v, const std::string& what) const {
    if (!has(plan_.dense_inputs, v.binding)) {
      return wrong(what + ": there is no dense input " + std::to_string(v.binding));
    }
    const PlanDenseInput& input = plan_.dense_inputs[static_cast<size_t>(v.binding)];
    if (input.domain != v.domain || input.width != value(v.root).width || input.width != v.stride) {
      return wrong(what + ": domain, width or stride differ from dense input " + input.name);
    }
    return {};
  }

  Status check_bound_parameter(const PlanValue& v, const std::string& what) const {
    if (!has(plan_.parameters, v.binding)) return wrong(what + ": there is no parameter " + std::to_string(v.binding));
    const PlanParameter& parameter = plan_.parameters[static_cast<size_t>(v.binding)];
    PRERANK_ASSIGN_OR_RETURN(const int64_t elements, shape_elements(parameter.shape, parameter.name));
    if (elements != value(v.root).width) return wrong(what + ": its size differs from parameter " + parameter.name);
    return {};
  }

  Status check_gradients() const {
    for (const PlanParameter& parameter : plan_.parameters) {
      if (parameter.grad == -1) continue;
      if (!has(plan_.values, parameter.grad)) {
        return wrong("parameter " + parameter.name + ": there is no value " + std::to_string(parameter.grad));
      }
      const PlanValue& grad = value(parameter.grad);
      PRERANK_ASSIGN_OR_RETURN(const int64_t elements, shape_elements(parameter.shape, parameter.name));
      if (grad.storage != Storage::kGrad || grad.width != elements) {
        return wrong("parameter " + parameter.name + ": value " + grad.name + " cannot hold its gradient");
      }
    }
    std::vector<bool> seen(plan_.id_inputs.size(), false);
    for (const PlanSparseGradient& gradient : plan_.sparse_gradients) {
      if (!has(plan_.id_inputs, gradient.id_input) || !has(plan_.values, gradient.value)) {
        return wrong("a lookup's gradient names id input " + std::to_string(gradient.id_input) + " and value " +
                       std::to_string(gradient.value));
      }
      const PlanIdInput& input = plan_.id_inputs[static_cast<size_t>(gradient.id_input)];
      const PlanValue& pooled = value(gradient.value);
      if (pooled.storage != Storage::kFull || pooled.domain != input.domain ||
          pooled.width != plan_.tables[static_cast<size_t>(input.table)].dim) {
        return wrong("id input " + input.name + ": value " + pooled.name + " cannot hold the gradient of its lookup");
      }
      if (seen[static_cast<size_t>(gradient.id_input)]) {
        return wrong("id input " + input.name + " has two lookups with gradients: look it up once");
      }
      seen[static_cast<size_t>(gradient.id_input)] = true;
    }
    return {};
  }

  Status check_segments() const {
    Phase phase = Phase::kPrologue;
    std::vector<int64_t> tile_segment(plan_.values.size(), -1);  // of each tile root
    for (size_t s = 0; s < plan_.segments.size(); ++s) {
      const PlanSegment& segment = plan_.segments[s];
      const std::string what = "segment " + std::to_string(s);
      const bool rows = segment.phase == Phase::kTiles || segment.phase == Phase::kBatch;
      const Phase order = rows ? Phase::kTiles : segment.phase;
      if (order < phase) return wrong(what + " is out of order: prologue, tiles and batches, reduced");
      phase = order;
      if ((segment.domain == Domain::kNone) == rows || (segment.phase == Phase::kBatch && segment.domain != Domain::kRow)) {
        return wrong(what + ": its domain does not fit its phase");
      }
      for (const PlanOp& op : segment.ops) {
        for (const int32_t input : op.inputs) {
          PRERANK_RETURN_IF_ERROR(check_operand(segment, op, input, s, tile_segment));
          if (rows && value(input).storage == Storage::kGrad) {
            return wrong(op.layer + " (" + op.kind + ") reads " + value(input).name + " before it is reduced");
          }
        }
        for (const int32_t output : op.outputs) {
          PRERANK_RETURN_IF_ERROR(check_operand(segment, op, output, s, tile_segment));
          if (!is_view(op.kind)) PRERANK_RETURN_IF_ERROR(check_output_operand(segment, op, value(output)));
        }
      }
    }
    return {};
  }

  Status check_operand(const PlanSegment& segment, const PlanOp& op, int32_t index, size_t number,
                       std::vector<int64_t>& tile_segment) const {
    const std::string what = op.layer + " (" + op.kind + ")";
    if (!has(plan_.values, index)) return wrong(what + ": there is no value " + std::to_string(index));
    const PlanValue& v = value(index);
    if (v.domain == Domain::kNone) return {};
    if (segment.domain == Domain::kNone) return wrong(what + ": " + v.name + " has rows in a segment without rows");
    if (v.domain != segment.domain && v.storage != Storage::kFull) {
      return wrong(what + ": " + v.name + " is of another domain than its segment and not kept for the whole batch");
    }
    if (v.storage != Storage::kTile) return {};
    if (segment.phase == Phase::kBatch) return wrong(what + ": " + v.name + " is not kept for the whole batch");
    int64_t& owner = tile_segment[static_cast<size_t>(v.root)];
    if (owner == -1) owner = static_cast<int64_t>(number);
    if (owner != static_cast<int64_t>(number)) return wrong(what + ": " + v.name + " does not outlive its segment");
    return {};
  }

  // A tile may write its own rows and its worker's accumulators, nothing that the other workers see.
  static Status check_output_operand(const PlanSegment& segment, const PlanOp& op, const PlanValue& v) {
    const bool rows = segment.phase == Phase::kTiles || segment.phase == Phase::kBatch;
    const bool shared = rows &&
                        (v.storage == Storage::kNone || (v.domain != Domain::kNone && v.domain != segment.domain));
    const bool early = segment.phase == Phase::kPrologue && v.storage == Storage::kGrad;
    if (is_writable(v.storage) && !shared && !early) return {};
    return wrong(op.layer + " (" + op.kind + ") cannot write " + v.name + " here");
  }

  Status check_tasks() const {
    if (plan_.tasks.size() > kMaxTasks) return wrong("more than " + std::to_string(kMaxTasks) + " tasks");
    size_t losses = 0;
    for (const PlanSegment& segment : plan_.segments) {
      for (const PlanOp& op : segment.ops) {
        if (op.kind != "loss") continue;
        ++losses;
        if (segment.domain != Domain::kRow) return wrong(op.layer + ": the loss belongs in a row segment");
        for (const PlanTask& task : plan_.tasks) {
          if (!has(op.inputs, task.logits)) return wrong("task " + task.name + ": the loss has no such logits");
        }
      }
    }
    if (losses == (plan_.tasks.empty() ? 0u : 1u)) return {};
    return wrong("it has " + std::to_string(plan_.tasks.size()) + " tasks and " + std::to_string(losses) +
                   " loss operations");
  }

  Status check_balancing() const {
    if (!plan_.balancing) return {};
    const PlanBalancing& balancing = *plan_.balancing;
    size_t logits = 0;
    for (const PlanTask& task : plan_.tasks) logits = std::max(logits, static_cast<size_t>(task.logits) + 1);
    std::vector<bool> written(plan_.values.size(), false);
    for (const auto& [storage, list] :
         {std::pair{Storage::kGrad, &balancing.dense}, {Storage::kFull, &balancing.pooled}}) {
      for (const PlanParts& parts : *list) {
        if (parts.values.size() != logits) return wrong("a gradient by tasks needs one part for each logits");
        PRERANK_RETURN_IF_ERROR(check_parts(parts, storage, written));
      }
    }
    const bool uncertainty = balancing.kind == BalancingKind::kUncertainty;
    if (!uncertainty) return {};
    if (!has(plan_.parameters, balancing.log_variances)) return wrong("the tasks have no log-variances");
    const PlanParameter& parameter = plan_.parameters[static_cast<size_t>(balancing.log_variances)];
    if (parameter.shape != std::vector<int64_t>{static_cast<int64_t>(plan_.tasks.size())}) {
      return wrong("parameter " + parameter.name + " must hold one log-variance per task");
    }
    return {};
  }

  // No two values share memory: the combination overwrites one of them.
  Status check_parts(const PlanParts& parts, Storage storage, std::vector<bool>& written) const {
    const PlanValue* first = nullptr;
    for (const int32_t part : parts.values) {
      if (part == -1) continue;
      if (!has(plan_.values, part)) return wrong("there is no gradient " + std::to_string(part));
      const PlanValue& v = value(part);
      if (v.storage != storage) return wrong("the gradient " + v.name + " is not kept after the tiles");
      if (first != nullptr && (v.width != first->width || v.domain != first->domain)) {
        return wrong("the parts of " + first->name + " differ in size");
      }
      if (v.root != part || written[static_cast<size_t>(part)]) {
        return wrong("the gradient " + v.name + " shares its memory with another");
      }
      written[static_cast<size_t>(part)] = true;
      if (first == nullptr) first = &v;
    }
    return first == nullptr ? wrong("a gradient by tasks has no part") : Status();
  }

  Status check_outputs() const {
    for (const PlanOutput& output : plan_.outputs) {
      if (!has(plan_.values, output.value)) {
        return wrong("output " + output.name + ": there is no value " + std::to_string(output.value));
      }
      const Storage storage = value(output.value).storage;
      if (storage == Storage::kTile || storage == Storage::kInput) {
        return wrong("output " + output.name + ": value " + value(output.value).name + " is not kept after the step");
      }
    }
    return {};
  }

  const Plan& plan_;
  const ParameterStore& store_;
};

}  // namespace

Status check_plan(const Plan& plan, const ParameterStore& store) { return PlanChecker(plan, store).check(); }

Result<int64_t> shape_elements(const std::vector<int64_t>& shape, const std::string& what) {
  int64_t elements = 1;
  for (const int64_t size : shape) {
    if (size < 1 || size > kMaxFloats / elements) return wrong(what + ": bad shape " + shape_text(shape));
    elements *= size;
  }
  return elements;
}

}  // namespace prerank
