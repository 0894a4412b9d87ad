#include "addon/plan_reader.h"

#include <string>
#include <utility>
#include <vector>

#include "addon/convert.h"

namespace prerank::addon {
namespace {

Domain read_domain(const Fields& fields) {
  return fields.choice<Domain>("domain",
                               {{"none", Domain::kNone}, {"request", Domain::kRequest}, {"row", Domain::kRow}});
}

std::vector<int32_t> read_indices(const Fields& fields, const char* key) {
  std::vector<int32_t> indices;
  for (const int64_t index : fields.integers(key)) {
    if (index < 0 || index > INT32_MAX) {
      throw_invalid(fields.env(), fields.path(key) + " holds " + std::to_string(index) + ", which is no index");
    }
    indices.push_back(static_cast<int32_t>(index));
  }
  return indices;
}

// Reads every element of an array field with `read(fields)`.
template <class Read>
auto read_all(const Fields& fields, const char* key, Read read) {
  std::vector<decltype(read(fields))> items;
  for_each(fields.array(key), fields.path(key),
           [&](Napi::Value value, const std::string& what) { items.push_back(read(Fields(value, what))); });
  return items;
}

PlanValue read_value(const Fields& fields) {
  PlanValue value;
  value.name = fields.string("name");
  value.domain = read_domain(fields);
  value.storage = fields.choice<Storage>("storage", {{"tile", Storage::kTile},
                                                     {"full", Storage::kFull},
                                                     {"input", Storage::kInput},
                                                     {"param", Storage::kParam},
                                                     {"none", Storage::kNone},
                                                     {"grad", Storage::kGrad}});
  value.shape = fields.integers("shape");
  value.width = fields.integer("width");
  value.root = fields.index("root");
  value.column = fields.integer("column");
  value.stride = fields.integer("stride");
  value.offset = fields.integer("offset");
  value.binding = fields.index("binding");
  return value;
}

void read_attributes(const Fields& attributes, Napi::Object object, PlanOp& op) {
  const Napi::Array keys = object.GetPropertyNames();
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const std::string key = to_string(keys.Get(i), attributes.name());
    const Napi::Value value = object.Get(key);
    if (value.IsNumber()) {
      op.numbers[key] = value.As<Napi::Number>().DoubleValue();
    } else if (value.IsString()) {
      op.strings[key] = value.As<Napi::String>().Utf8Value();
    } else {
      const std::string what = attributes.name() + "." + key;
      std::vector<double>& list = op.lists[key];
      for_each(to_array(value, what), what,
               [&](Napi::Value number, const std::string& where) { list.push_back(to_number(number, where)); });
    }
  }
}

PlanOp read_op(const Fields& fields) {
  PlanOp op;
  op.kind = fields.string("kind");
  op.layer = fields.string("layer");
  op.backward = fields.boolean("backward");
  op.id = fields.index("id");
  op.inputs = read_indices(fields, "inputs");
  op.outputs = read_indices(fields, "outputs");
  read_attributes(fields.object("attributes"), to_object(fields.get("attributes"), "attributes"), op);
  return op;
}

PlanSegment read_segment(const Fields& fields) {
  PlanSegment segment;
  segment.domain = read_domain(fields);
  segment.phase = fields.choice<Phase>(
      "phase", {{"prologue", Phase::kPrologue}, {"tiles", Phase::kTiles}, {"batch", Phase::kBatch}, {"reduced", Phase::kReduced}});
  segment.ops = read_all(fields, "ops", read_op);
  return segment;
}

PlanDenseInput read_dense_input(const Fields& fields) {
  return {fields.string("name"), read_domain(fields), fields.integer("width")};
}

PlanIdInput read_id_input(const Fields& fields) {
  return {fields.string("name"), read_domain(fields), fields.boolean("multi"), fields.boolean("weighted"),
          fields.index("table")};
}

PlanTable read_table(const Fields& fields) {
  return {fields.string("name"), fields.integer("rows"), fields.integer("dim")};
}

PlanParameter read_parameter(const Fields& fields) {
  return {fields.string("name"), fields.integers("shape"), fields.index("grad")};
}

PlanSparseGradient read_sparse_gradient(const Fields& fields) {
  return {fields.index("idInput"), fields.index("value"),
          fields.choice<Pooling>("pooling", {{"sum", Pooling::kSum}, {"mean", Pooling::kMean}})};
}

PlanTask read_task(const Fields& fields) {
  PlanTask task;
  task.name = fields.string("name");
  task.kind = fields.choice<LossKind>("kind", {{"bce", LossKind::kBce},
                                               {"mse", LossKind::kMse},
                                               {"huber", LossKind::kHuber},
                                               {"pseudo-huber", LossKind::kPseudoHuber},
                                               {"log-cosh", LossKind::kLogCosh},
                                               {"mean", LossKind::kMean}});
  task.weight = fields.finite("weight");
  task.delta = fields.finite("delta");
  task.logits = fields.index("logits");
  return task;
}

PlanParts read_parts(const Fields& fields) {
  PlanParts parts;
  for (const int64_t value : fields.integers("values")) {
    if (value < -1 || value > INT32_MAX) throw_invalid(fields.env(), fields.path("values") + " holds no index");
    parts.values.push_back(static_cast<int32_t>(value));
  }
  return parts;
}

PlanBalancing read_balancing(const Fields& fields) {
  PlanBalancing balancing;
  balancing.kind = fields.choice<BalancingKind>("kind", {{"fixed", BalancingKind::kFixed},
                                                         {"uncertainty", BalancingKind::kUncertainty},
                                                         {"pcgrad", BalancingKind::kPcgrad},
                                                         {"mgda", BalancingKind::kMgda}});
  balancing.norm = fields.choice<GradientNorm>("normalisation", {{"none", GradientNorm::kNone},
                                                                 {"l2", GradientNorm::kL2},
                                                                 {"loss", GradientNorm::kLoss},
                                                                 {"loss+", GradientNorm::kLossL2}});
  balancing.dense = read_all(fields, "dense", read_parts);
  balancing.pooled = read_all(fields, "pooled", read_parts);
  balancing.log_variances = fields.index("logVariances");
  return balancing;
}

PlanOutput read_output(const Fields& fields) { return {fields.string("name"), fields.index("value")}; }

}  // namespace

Plan read_plan(Napi::Value value) {
  const Fields fields(value, "Plan");
  Plan plan;
  plan.tile_rows = fields.integer("tileRows");
  plan.tile_floats = fields.integer("tileFloats");
  plan.none_floats = fields.integer("noneFloats");
  plan.accumulator_floats = fields.integer("accumulatorFloats");
  plan.values = read_all(fields, "values", read_value);
  plan.segments = read_all(fields, "segments", read_segment);
  plan.dense_inputs = read_all(fields, "denseInputs", read_dense_input);
  plan.id_inputs = read_all(fields, "idInputs", read_id_input);
  plan.tables = read_all(fields, "tables", read_table);
  plan.parameters = read_all(fields, "parameters", read_parameter);
  plan.sparse_gradients = read_all(fields, "sparseGradients", read_sparse_gradient);
  plan.tasks = read_all(fields, "tasks", read_task);
  if (fields.has("balancing")) plan.balancing = read_balancing(fields.object("balancing"));
  plan.outputs = read_all(fields, "outputs", read_output);
  return plan;
}

}  // namespace prerank::addon
