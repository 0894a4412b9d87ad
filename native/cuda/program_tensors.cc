#include "cuda/program_tensors.h"

namespace prerank::cuda {

Result<std::vector<TableView>> looked_up_tables(const Plan& plan, const ParameterStore& store,
                                                const DeviceStore& tensors) {
  std::vector<TableView> tables;
  for (const PlanTable& table : plan.tables) {
    PRERANK_ASSIGN_OR_RETURN(const size_t p, store.find(table.name));
    tables.push_back({tensors.table_weights(p), table.rows, table.dim});
  }
  return tables;
}

Result<std::vector<const CachedTable*>> cached_tables(const Plan& plan, const ParameterStore& store,
                                                      const DeviceStore& tensors) {
  std::vector<const CachedTable*> tables;
  for (const PlanTable& table : plan.tables) {
    PRERANK_ASSIGN_OR_RETURN(const size_t p, store.find(table.name));
    tables.push_back(tensors.cached(p));
  }
  return tables;
}

Result<std::vector<DeviceTable>> updated_tables(const Plan& plan, const ParameterStore& store,
                                                const DeviceStore& tensors) {
  std::vector<DeviceTable> tables;
  for (const PlanTable& table : plan.tables) {
    PRERANK_ASSIGN_OR_RETURN(const size_t p, store.find(table.name));
    tables.push_back({tensors.table_weights(p), tensors.state(p, 0), tensors.state(p, 1), table.rows, table.dim,
                      tensors.cached(p)});
  }
  return tables;
}

Result<std::vector<DenseTarget>> dense_targets(const Plan& plan, const ParameterStore& store,
                                               const DeviceStore& tensors, const DeviceMemory& memory) {
  std::vector<DenseTarget> targets;
  for (const PlanParameter& parameter : plan.parameters) {
    if (parameter.grad < 0) continue;
    PRERANK_ASSIGN_OR_RETURN(const size_t p, store.find(parameter.name));
    targets.push_back({tensors.weights(p), memory.address(static_cast<size_t>(parameter.grad)), tensors.state(p, 0),
                       tensors.state(p, 1), tensors.size(p)});
  }
  return targets;
}

}  // namespace prerank::cuda
