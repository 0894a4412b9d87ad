// Lookups with pooling. Each output is one lookup, in a view of whatever its vectors are concatenated into.
#include <variant>
#include <vector>

#include "cpu/operands.h"
#include "cpu/ops.h"
#include "cpu/table_functions.h"

namespace prerank::cpu {
namespace {

struct Lookup {
  size_t id_input = 0;
  bool mean = false;
  TableView table;
  View y;
};

class EmbeddingKernel final : public Kernel {
 public:
  explicit EmbeddingKernel(std::vector<Lookup> lookups) : lookups_(std::move(lookups)), simd_(&simd()) {}

  void run(const TileContext& context) const override {
    for (const Lookup& lookup : lookups_) {
      const BatchIds& ids = context.batch->ids[lookup.id_input];
      const size_t dim = static_cast<size_t>(lookup.table.dim);
      float* y = lookup.y.at(context);
      std::visit(
          [&]<class T>(T* weights) {
            const TableFunctions<T>& functions = functions_of<T>(*simd_);
            if (ids.offsets.empty()) {
              functions.rows(context.rows, dim, weights, ids.ids.data() + context.first_row,
                             ids.ids.size() - context.first_row, y, lookup.y.stride);
            } else {
              functions.bags(bags(context, lookup, weights, y));
            }
          },
          lookup.table.weights);
    }
  }

 private:
  template <class T>
  static BagArguments<T> bags(const TileContext& context, const Lookup& lookup, const T* table, float* y) {
    const BatchIds& ids = context.batch->ids[lookup.id_input];
    return {context.rows, static_cast<size_t>(lookup.table.dim), table, ids.ids.data(), ids.ids.size(),
            ids.offsets.data() + context.first_row, ids.weights.empty() ? nullptr : ids.weights.data(), lookup.mean, y,
            lookup.y.stride};
  }

  std::vector<Lookup> lookups_;
  const SimdTable* simd_;
};

Result<Lookup> lookup_of(const KernelBuild& build, size_t i, double id_input, double pooling) {
  if (!(id_input >= 0) || id_input >= static_cast<double>(build.plan->id_inputs.size())) {
    return invalid(build, "no id input " + std::to_string(id_input));
  }
  Lookup lookup;
  lookup.id_input = static_cast<size_t>(id_input);
  lookup.mean = pooling == 1;
  const PlanIdInput& input = build.plan->id_inputs[lookup.id_input];
  if (input.domain != build.segment_domain) return invalid(build, "id input '" + input.name + "' is of another domain");
  if (input.table < 0 || static_cast<size_t>(input.table) >= build.tables.size()) {
    return invalid(build, "id input '" + input.name + "' has no table");
  }
  lookup.table = build.tables[static_cast<size_t>(input.table)];
  PRERANK_ASSIGN_OR_RETURN(lookup.y, output_view(build, i));
  PRERANK_RETURN_IF_ERROR(check_width(build, "a lookup", lookup.y.width, static_cast<size_t>(lookup.table.dim)));
  return lookup;
}

}  // namespace

KernelResult make_embedding(const KernelBuild& build) {
  PRERANK_RETURN_IF_ERROR(check_arity(build, 0, build.op->outputs.size()));
  const auto inputs = build.op->lists.find("idInputs");
  const auto pooling = build.op->lists.find("pooling");
  const size_t count = build.op->outputs.size();
  if (inputs == build.op->lists.end() || inputs->second.size() != count || pooling == build.op->lists.end() ||
      pooling->second.size() != count) {
    return invalid(build, "lists 'idInputs' and 'pooling' need one entry per output");
  }
  std::vector<Lookup> lookups;
  for (size_t i = 0; i < count; ++i) {
    PRERANK_ASSIGN_OR_RETURN(const Lookup lookup, lookup_of(build, i, inputs->second[i], pooling->second[i]));
    lookups.push_back(lookup);
  }
  return std::unique_ptr<Kernel>(std::make_unique<EmbeddingKernel>(std::move(lookups)));
}

}  // namespace prerank::cpu
