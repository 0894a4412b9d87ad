#include "ingest/code_encoder.h"

#include "ingest/id_values.h"
#include "ingest/number_values.h"

namespace prerank::ingest {

Status CodeEncoder::check_type(Physical found) {
  const ValueType type = found == Physical::kString ? ValueType::kString : ValueType::kInt;
  if (dictionary_ == nullptr) return check_id_type(found, type, column_.label);
  if (*dictionary_ != nullptr) return check_id_type(found, (*dictionary_)->type(), column_.label);
  PRERANK_RETURN_IF_ERROR(check_id_type(found, type, column_.label));
  *dictionary_ = Dictionary::create(type, 0);
  return {};
}

Status CodeEncoder::judge(const RowBlock& block, Verdict& verdict) {
  size_t base = 0;
  for (const RowSlice& slice : block.slices) {
    const VectorView& view = slice.chunk->column(column_.input);
    PRERANK_RETURN_IF_ERROR(check_type(view.type));
    if (has_nulls(view, slice.from, slice.rows())) {
      for (size_t i = 0; i < slice.rows(); ++i) {
        if (view.valid(slice.from + i) || !verdict.kept(base + i)) continue;
        verdict.reject(base + i, column_.label, "", column_.label + " is null");
      }
    }
    base += slice.rows();
  }
  return {};
}

Status CodeEncoder::append(const KeptRows& kept, size_t requests) {
  PRERANK_ASSIGN_OR_RETURN(uint32_t* const added, codes_.reserve(kept.count()));
  if (dictionary_ == nullptr) {
    auto next = static_cast<uint32_t>(requests);
    for (size_t i = 0; i < kept.continues().size(); ++i) {
      next += kept.continues()[i] == 0;
      added[i] = next - 1;
    }
  } else {
    for (const KeptSlice& slice : kept.slices()) {
      PRERANK_RETURN_IF_ERROR(
          (*dictionary_)->learn(slice.column(column_.input), added + slice.position, nullptr));
    }
  }
  codes_.extend(kept.count());
  return {};
}

}  // namespace prerank::ingest
