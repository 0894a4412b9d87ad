#include "plan/state_layout.h"

namespace prerank {

std::vector<StateLayout> state_layouts(const SparseOptimizer& optimizer) {
  switch (optimizer.kind) {
    case SparseOptimizerKind::kSgd: return {};
    case SparseOptimizerKind::kAdagrad: return {{"accumulator"}};
    case SparseOptimizerKind::kRowwiseAdagrad: return {{"accumulator", true}};
    case SparseOptimizerKind::kAdam: return {{"m"}, {"v"}};
  }
  return {};
}

std::vector<StateLayout> state_layouts(const DenseOptimizer& optimizer) {
  switch (optimizer.kind) {
    case DenseOptimizerKind::kSgd:
      return optimizer.momentum != 0 ? std::vector<StateLayout>{{"momentum"}} : std::vector<StateLayout>{};
    case DenseOptimizerKind::kAdagrad: return {{"accumulator"}};
    case DenseOptimizerKind::kAdam:
    case DenseOptimizerKind::kAdamW: return {{"m"}, {"v"}};
  }
  return {};
}

}  // namespace prerank
