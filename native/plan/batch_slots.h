// A batch on lazy tables: the slots of its rows, which are drawn if no batch has looked them up before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/grow_buffer.h"
#include "base/thread_pool.h"
#include "plan/operation_times.h"
#include "prerank/batch.h"
#include "prerank/parameter_store.h"
#include "prerank/plan.h"
#include "prerank/status.h"

namespace prerank {

// Its memory grows to what the largest batch needs.
class BatchSlots {
 public:
  BatchSlots() = default;
  static Result<BatchSlots> create(const Plan& plan, ParameterStore& store);

  bool empty() const { return tables_.empty(); }
  // The batch with slots as ids of lazy tables, and in the indexes of these tables; valid until the next call and as
  // long as the batch. Each worker has tables of its own; `operation` of the profile (null: none) takes their time.
  Result<const Batch*> place(const Batch& batch, ParameterStore& store, ThreadPool& pool, OperationTimes* profile,
                             size_t operation);

 private:
  struct Table {
    size_t table = 0;      // in Plan::tables
    size_t parameter = 0;  // in the store
    std::vector<size_t> id_inputs;
  };

  Status reserve(const Batch& batch);
  void place_table(const Table& table, const Batch& batch, ParameterStore& store);

  std::vector<Table> tables_;
  std::vector<GrowBuffer<uint32_t>> ids_;   // per id input: slots of its ids
  std::vector<GrowBuffer<uint32_t>> rows_;  // per table: slots of its distinct rows
  Batch placed_;
};

}  // namespace prerank
