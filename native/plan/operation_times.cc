#include "plan/operation_times.h"

#include <utility>

namespace prerank {

size_t OperationTimes::add(OperationTime operation) {
  operations_.push_back(std::move(operation));
  return operations_.size() - 1;
}

void OperationTimes::start(size_t workers) { counters_.assign(workers, std::vector<Counter>(operations_.size())); }

std::vector<OperationTime> OperationTimes::totals() const {
  std::vector<OperationTime> totals = operations_;
  for (const std::vector<Counter>& worker : counters_) {
    for (size_t i = 0; i < totals.size(); ++i) {
      totals[i].seconds += worker[i].seconds;
      totals[i].calls += worker[i].calls;
    }
  }
  return totals;
}

}  // namespace prerank
