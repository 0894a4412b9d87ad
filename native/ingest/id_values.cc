#include "ingest/id_values.h"

#include <algorithm>
#include <limits>

#include "ingest/number_values.h"

namespace prerank::ingest {

Status check_id_type(Physical found, ValueType wanted, const std::string& label) {
  if (wanted == ValueType::kInt ? is_integer(found) : found == Physical::kString) return {};
  return {Code::kInvalidArgument,
          label + ": the query gives no " + (wanted == ValueType::kInt ? "integers" : "strings")};
}

const int64_t* read_ints(const Elements& elements, std::vector<int64_t>& scratch) {
  const VectorView& view = *elements.view;
  if (elements.rows == nullptr && (view.type == Physical::kInt64 || view.type == Physical::kUint64)) {
    return static_cast<const int64_t*>(view.data) + elements.from;
  }
  scratch.resize(std::max(scratch.size(), elements.count));
  int64_t* const out = scratch.data();
  with_numbers(view, [&](const auto* values) {
    if (elements.rows == nullptr) {
      for (size_t i = 0; i < elements.count; ++i) out[i] = static_cast<int64_t>(values[elements.from + i]);
    } else {
      for (size_t i = 0; i < elements.count; ++i) out[i] = static_cast<int64_t>(values[elements.rows[i]]);
    }
  });
  return out;
}

Status list_runs(const Elements& lists, std::vector<uint32_t>& lengths, std::vector<ListRun>& runs) {
  const VectorView& view = *lists.view;
  const size_t elements = view.child->size;
  ListRun run;
  bool inside = true;
  for (size_t i = 0; i < lists.count; ++i) {
    const size_t row = lists.row(i);
    const auto [offset, length] = view.valid(row) ? view.list(row) : ListEntry{0, 0};
    inside = inside && length <= elements && offset <= elements - length;
    lengths.push_back(static_cast<uint32_t>(length));
    if (length == 0) continue;
    if (offset == run.from + run.count) {
      run.count += length;
      continue;
    }
    if (run.count > 0) runs.push_back(run);
    run = {offset, length};
  }
  if (run.count > 0) runs.push_back(run);
  if (!inside) return {Code::kInternal, "a list lies outside its elements"};
  return {};
}

}  // namespace prerank::ingest
