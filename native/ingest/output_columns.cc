#include "ingest/output_columns.h"

#include <string>
#include <unordered_map>
#include <utility>

#include "ingest/dictionary_layout.h"
#include "ingest/spec_check.h"

namespace prerank::ingest {
namespace {

using Kind = OutputSource::Kind;

std::vector<PlannedOutput> all_outputs(const IngestSpec& spec) {
  const DictionaryLayout layout = DictionaryLayout::of(spec);
  std::vector<PlannedOutput> outputs;
  for (size_t i = 0; i < spec.numbers.size(); ++i) {
    const NumberColumn& column = spec.numbers[i];
    if (is_written(spec, column)) outputs.push_back({{column.output, column.type}, {Kind::kNumber, i}});
  }
  for (size_t i = 0; i < spec.dense.size(); ++i) {
    outputs.push_back({{spec.dense[i].output, ColumnType::kFloat32}, {Kind::kDense, i}});
  }
  for (size_t i = 0; i < spec.ids.size(); ++i) {
    const IdColumn& column = spec.ids[i];
    Remap remap;
    if (layout.of_table[column.table].has_value()) remap = {Remap::Kind::kVocabulary, *layout.of_table[column.table]};
    const ColumnType type = column.multi ? ColumnType::kListUint32 : ColumnType::kUint32;
    outputs.push_back({{column.output, type, remap}, {Kind::kId, i}});
    if (column.weights_input.has_value()) {
      outputs.push_back({{column.weights_output, ColumnType::kListFloat32}, {Kind::kIdWeights, i}});
    }
  }
  for (size_t i = 0; i < spec.codes.size(); ++i) {
    Remap remap{Remap::Kind::kRequest, 0};
    if (layout.of_code[i].has_value()) remap = {Remap::Kind::kVocabulary, *layout.of_code[i]};
    outputs.push_back({{spec.codes[i].output, ColumnType::kUint32, remap}, {Kind::kCode, i}});
  }
  if (spec.sampling.weight_by_inverse_rate) {
    outputs.push_back({{spec.sampling.weight_output, ColumnType::kFloat32}, {Kind::kSampleWeight, 0}});
  }
  return outputs;
}

Status wrong_outputs(std::string message) { return {Code::kInvalidArgument, std::move(message)}; }

}  // namespace

bool is_written(const IngestSpec& spec, const NumberColumn& column) {
  return !(spec.sampling.weight_by_inverse_rate && column.role == NumberRole::kWeight &&
           column.output == spec.sampling.weight_output);
}

Result<std::vector<PlannedOutput>> plan_outputs(const IngestSpec& spec) {
  PRERANK_RETURN_IF_ERROR(check_spec(spec));
  std::vector<PlannedOutput> outputs = all_outputs(spec);
  std::unordered_map<std::string, size_t> by_name;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!by_name.emplace(outputs[i].column.name, i).second) {
      return wrong_outputs("two columns are written as \"" + outputs[i].column.name + "\"");
    }
  }
  std::vector<PlannedOutput> ordered;
  for (const std::string& name : spec.output_order) {
    const auto found = by_name.find(name);
    if (found == by_name.end()) return wrong_outputs("output_order: \"" + name + "\" is no output, or is named twice");
    ordered.push_back(std::move(outputs[found->second]));
    by_name.erase(found);
  }
  if (!by_name.empty()) return wrong_outputs("output_order: \"" + by_name.begin()->first + "\" is missing");
  return ordered;
}

Result<std::vector<OutputColumn>> output_columns(const IngestSpec& spec) {
  PRERANK_ASSIGN_OR_RETURN(std::vector<PlannedOutput> outputs, plan_outputs(spec));
  std::vector<OutputColumn> columns;
  for (PlannedOutput& output : outputs) columns.push_back(std::move(output.column));
  return columns;
}

}  // namespace prerank::ingest
