#include "plan/batch_slots.h"

#include <span>
#include <utility>

namespace prerank {

Result<BatchSlots> BatchSlots::create(const Plan& plan, ParameterStore& store) {
  BatchSlots slots;
  for (size_t t = 0; t < plan.tables.size(); ++t) {
    PRERANK_ASSIGN_OR_RETURN(const size_t parameter, store.find(plan.tables[t].name));
    if (!store.lazy(parameter)) continue;
    Table table{t, parameter, {}};
    for (size_t input = 0; input < plan.id_inputs.size(); ++input) {
      if (plan.id_inputs[input].table == static_cast<int32_t>(t)) table.id_inputs.push_back(input);
    }
    slots.tables_.push_back(std::move(table));
  }
  slots.ids_.resize(plan.id_inputs.size());
  slots.rows_.resize(plan.tables.size());
  return slots;
}

Result<const Batch*> BatchSlots::place(const Batch& batch, ParameterStore& store, ThreadPool& pool,
                                       OperationTimes* profile, size_t operation) {
  PRERANK_RETURN_IF_ERROR(reserve(batch));
  placed_ = batch;
  pool.run([&](size_t worker) {
    OperationTimes::Watch watch(profile, worker);
    for (size_t i = worker; i < tables_.size(); i += pool.workers()) place_table(tables_[i], batch, store);
    watch.lap(operation);
  });
  return &placed_;
}

Status BatchSlots::reserve(const Batch& batch) {
  for (const Table& table : tables_) {
    if (!batch.table_index.empty()) {
      PRERANK_RETURN_IF_ERROR(rows_[table.table].reserve(batch.table_index[table.table].rows.size()));
    }
    for (const size_t input : table.id_inputs) {
      PRERANK_RETURN_IF_ERROR(ids_[input].reserve(batch.ids[input].ids.size()));
    }
  }
  return {};
}

void BatchSlots::place_table(const Table& table, const Batch& batch, ParameterStore& store) {
  // Distinct rows first: they ascend, and so will their slots.
  if (!batch.table_index.empty()) {
    const std::span<const uint32_t> rows = batch.table_index[table.table].rows;
    const std::span<uint32_t> slots = rows_[table.table].first(rows.size());
    store.touch(table.parameter, rows, slots);
    placed_.table_index[table.table].slots = slots;
  }
  for (const size_t input : table.id_inputs) {
    const std::span<const uint32_t> ids = batch.ids[input].ids;
    const std::span<uint32_t> slots = ids_[input].first(ids.size());
    store.touch(table.parameter, ids, slots);
    placed_.ids[input].ids = slots;
  }
}

}  // namespace prerank
