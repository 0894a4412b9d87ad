#include "addon/ingest_reader.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "addon/convert.h"

namespace prerank::addon {
namespace {

std::optional<size_t> optional_index(const Fields& fields, const char* key) {
  if (!fields.has(key)) return std::nullopt;
  return fields.unsigned_integer(key);
}

std::vector<std::string> strings(const Fields& fields, const char* key) {
  std::vector<std::string> values;
  for_each(fields.array(key), fields.path(key),
           [&](Napi::Value value, const std::string& what) { values.push_back(to_string(value, what)); });
  return values;
}

// An array of objects, each read by `read`.
template <class Read>
auto objects(const Fields& fields, const char* key, Read read) {
  std::vector<decltype(read(fields))> values;
  for_each(fields.array(key), fields.path(key),
           [&](Napi::Value value, const std::string& what) { values.push_back(read(Fields(value, what))); });
  return values;
}

LogQuery read_query(const Fields& fields) { return {fields.string("sql"), fields.string("origin")}; }

LogPart read_part(const Fields& fields) {
  return {objects(fields, "queries", read_query), fields.unsigned_integer("rows"), fields.unsigned_integer("headRows")};
}

LogSource read_source(const Fields& fields) {
  return {fields.string("library"), strings(fields, "setup"), objects(fields, "parts", read_part)};
}

NullPolicy read_nulls(const Fields& fields) {
  return fields.choice<NullPolicy>(
      "nulls", {{"default", NullPolicy::kDefault}, {"drop", NullPolicy::kDrop}, {"error", NullPolicy::kError}});
}

NumberColumn read_number(const Fields& fields) {
  NumberColumn column;
  column.input = fields.unsigned_integer("input");
  column.output = fields.string("output");
  column.type =
      fields.choice<ColumnType>("type", {{"float32", ColumnType::kFloat32}, {"uint8", ColumnType::kUint8}});
  column.rule = fields.choice<NumberRule>("rule", {{"finite", NumberRule::kFinite},
                                                   {"nonNegative", NumberRule::kNonNegative},
                                                   {"probability", NumberRule::kProbability},
                                                   {"binary", NumberRule::kBinary},
                                                   {"stage", NumberRule::kStage},
                                                   {"objective", NumberRule::kObjective}});
  column.nullable = fields.boolean("nullable");
  if (fields.has("role")) {
    column.role = fields.choice<NumberRole>("role", {{"impression", NumberRole::kImpression},
                                                     {"ctrTraffic", NumberRole::kCtrTraffic},
                                                     {"click", NumberRole::kClick},
                                                     {"conversion", NumberRole::kConversion},
                                                     {"stage", NumberRole::kStage},
                                                     {"weight", NumberRole::kWeight}});
  }
  column.label = fields.string("label");
  return column;
}

DenseColumn read_dense(const Fields& fields) {
  DenseColumn column;
  column.input = fields.unsigned_integer("input");
  column.output = fields.string("output");
  for (const std::string& word : strings(fields, "transforms")) {
    if (word != "log1p" && word != "standardize") {
      throw_invalid(fields.env(), fields.path("transforms") + " holds '" + word + "', not 'log1p' or 'standardize'");
    }
    column.transforms.push_back(word == "log1p" ? DenseTransform::kLog1p : DenseTransform::kStandardize);
  }
  column.mean = fields.finite("mean");
  column.deviation = fields.finite("deviation");
  column.nulls = read_nulls(fields);
  column.of_request = fields.boolean("ofRequest");
  column.label = fields.string("label");
  column.source = fields.string("source");
  return column;
}

IdColumn read_id(const Fields& fields) {
  IdColumn column;
  column.input = fields.unsigned_integer("input");
  column.output = fields.string("output");
  column.table = fields.unsigned_integer("table");
  column.multi = fields.boolean("multi");
  column.weights_input = optional_index(fields, "weightsInput");
  if (fields.has("weightsOutput")) column.weights_output = fields.string("weightsOutput");
  column.nulls = read_nulls(fields);
  column.of_request = fields.boolean("ofRequest");
  column.label = fields.string("label");
  column.source = fields.string("source");
  return column;
}

CodeColumn read_code(const Fields& fields) {
  CodeColumn column;
  column.input = fields.unsigned_integer("input");
  column.output = fields.string("output");
  column.role = fields.choice<CodeRole>(
      "role", {{"request", CodeRole::kRequest}, {"user", CodeRole::kUser}, {"ad", CodeRole::kAd}});
  const uint64_t first = fields.unsigned_integer("first");
  if (first > std::numeric_limits<uint32_t>::max()) throw_invalid(fields.env(), fields.path("first") + " is too large");
  column.first = static_cast<uint32_t>(first);
  column.label = fields.string("label");
  return column;
}

IdTable read_table(const Fields& fields) {
  IdTable table;
  table.name = fields.string("name");
  table.type = fields.choice<ValueType>("type", {{"int", ValueType::kInt}, {"string", ValueType::kString}});
  table.buckets = fields.unsigned_integer("buckets");
  table.values = strings(fields, "values");
  table.learn = fields.boolean("learn");
  table.min_frequency = fields.unsigned_integer("minFrequency");
  table.capacity = fields.unsigned_integer("capacity");
  return table;
}

Sampling read_sampling(const Fields& fields) {
  Sampling sampling;
  sampling.seed = fields.unsigned_integer("seed");
  sampling.augment = fields.boolean("augment");
  sampling.pool =
      fields.choice<Pool>("pool", {{"final", Pool::kFinal}, {"early", Pool::kEarly}, {"mixed", Pool::kMixed}});
  sampling.per_request = fields.finite("perRequest");
  sampling.rate = fields.finite("rate");
  for_each(fields.array("stageRates"), fields.path("stageRates"), [&](Napi::Value value, const std::string& what) {
    sampling.stage_rates.push_back(to_finite(value, what));
  });
  sampling.weight_by_inverse_rate = fields.boolean("weightByInverseRate");
  sampling.weight_output = fields.string("weightOutput");
  sampling.split_fraction = fields.finite("splitFraction");
  sampling.split_keep_below = fields.boolean("splitKeepBelow");
  return sampling;
}

}  // namespace

IngestSpec read_ingest_spec(Napi::Value value) {
  const Fields fields(value, "IngestSpec");
  IngestSpec spec;
  spec.source = read_source(fields.object("source"));
  spec.row_input = fields.unsigned_integer("rowInput");
  spec.origin_input = optional_index(fields, "originInput");
  spec.request_input = optional_index(fields, "requestInput");
  spec.ad_input = optional_index(fields, "adInput");
  spec.numbers = objects(fields, "numbers", read_number);
  spec.dense = objects(fields, "dense", read_dense);
  spec.ids = objects(fields, "ids", read_id);
  spec.codes = objects(fields, "codes", read_code);
  spec.tables = objects(fields, "tables", read_table);
  spec.output_order = strings(fields, "outputOrder");
  spec.sampling = read_sampling(fields.object("sampling"));
  spec.duplicates = fields.choice<DuplicatePolicy>(
      "duplicates",
      {{"keep", DuplicatePolicy::kKeep}, {"drop", DuplicatePolicy::kDrop}, {"error", DuplicatePolicy::kError}});
  spec.max_bad = fields.unsigned_integer("maxBad");
  spec.folder = fields.string("folder");
  spec.threads = fields.positive("threads");
  spec.memory_bytes = fields.positive("memoryBytes");
  return spec;
}

ProfileSpec read_profile_spec(Napi::Value value) {
  const Fields fields(value, "ProfileSpec");
  ProfileSpec spec;
  spec.source = read_source(fields.object("source"));
  spec.row_input = fields.unsigned_integer("rowInput");
  spec.request_input = optional_index(fields, "requestInput");
  spec.time_input = optional_index(fields, "timeInput");
  for_each(fields.array("momentInputs"), fields.path("momentInputs"), [&](Napi::Value input, const std::string& what) {
    spec.moment_inputs.push_back(to_unsigned(input, what));
  });
  for_each(fields.array("momentLog1p"), fields.path("momentLog1p"), [&](Napi::Value flag, const std::string& what) {
    spec.moment_log1p.push_back(to_boolean(flag, what));
  });
  if (fields.has("split")) {
    const Fields split = fields.object("split");
    spec.split_seed = split.unsigned_integer("seed");
    spec.split_fraction = split.finite("splitFraction");
    spec.split_keep_below = split.boolean("splitKeepBelow");
  }
  spec.threads = fields.positive("threads");
  spec.memory_bytes = fields.positive("memoryBytes");
  return spec;
}

}  // namespace prerank::addon
