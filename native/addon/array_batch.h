// A batch given from JavaScript as arrays: copied, checked, and owned until its step is done.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "prerank/batch.h"
#include "prerank/plan.h"

namespace prerank::addon {

class ArrayBatch {
 public:
  // Copies and checks `value` (ArrayBatch of src/runtime/native.ts) for `plan`: lengths, ids against their tables,
  // offsets, requests, masks and targets. Throws an INVALID_ARGUMENT or OUT_OF_RANGE error.
  ArrayBatch(Napi::Value value, const Plan& plan);
  ArrayBatch(const ArrayBatch&) = delete;
  ArrayBatch& operator=(const ArrayBatch&) = delete;

  // Without a table index: the program's thread adds it.
  Batch& batch() { return batch_; }

 private:
  struct Ids {
    std::vector<uint32_t> ids, offsets;
    std::vector<float> weights;
  };
  void read_requests(Napi::Value value, bool needed);
  void read_dense(Napi::Array array, const Plan& plan);
  std::vector<float> chosen_rows(Napi::Value value, const std::string& name, size_t rows, size_t width) const;
  void read_ids(Napi::Array array, const Plan& plan);
  void read_tasks(Napi::Object object, const Plan& plan);
  void check_ids(Napi::Env env, const PlanIdInput& input, int64_t table_rows, const Ids& ids) const;
  size_t rows_of(Domain domain) const { return domain == Domain::kRequest ? batch_.requests : batch_.rows; }

  Batch batch_;
  std::vector<std::vector<float>> dense_, targets_;
  std::vector<Ids> ids_;
  std::vector<uint32_t> request_of_row_, request_offsets_, task_mask_;
  std::vector<float> weight_;
};

}  // namespace prerank::addon
