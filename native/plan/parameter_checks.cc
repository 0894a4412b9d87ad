#include "plan/parameter_checks.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

namespace prerank {
namespace {

Status refuse(std::string message) { return {Code::kInvalidArgument, std::move(message)}; }

Status check_at_least(const char* name, double value, double lowest) {
  if (std::isfinite(value) && value >= lowest) return {};
  return refuse(std::string(name) + " must be a finite number, at least " + std::to_string(lowest) + ", got " +
                std::to_string(value));
}

Status check_fraction(const char* name, double value) {
  if (value >= 0 && value < 1) return {};
  return refuse(std::string(name) + " must be in [0, 1), got " + std::to_string(value));
}

}  // namespace

Result<size_t> element_count(const ParameterSpec& spec) {
  size_t count = 1;
  for (const int64_t size : spec.shape) {
    if (size < 1) {
      return refuse("parameter " + spec.name + ": dimension " + std::to_string(size) + " of its shape is not positive");
    }
    if (count > (std::numeric_limits<size_t>::max() >> 3) / static_cast<size_t>(size)) {
      return refuse("parameter " + spec.name + ": its shape is too large");
    }
    count *= static_cast<size_t>(size);
  }
  return count;
}

Status check_spec(const ParameterSpec& spec) {
  if (spec.name.empty()) return refuse("a parameter has no name");
  if (spec.table && spec.shape.size() != 2) {
    return refuse("parameter " + spec.name + ": a table's shape is [rows, dim], this has " +
                  std::to_string(spec.shape.size()) + " dimensions");
  }
  if (spec.host && !spec.table) {
    return refuse("parameter " + spec.name + ": only tables may stay in the host's memory");
  }
  if (!std::isfinite(spec.init.scale)) {
    return refuse("parameter " + spec.name + ": the scale of its init is not finite");
  }
  return {};
}

Status check_optimizers(const SparseOptimizer& sparse, const DenseOptimizer& dense) {
  PRERANK_RETURN_IF_ERROR(check_fraction("sparse optimizer: beta1", sparse.beta1));
  PRERANK_RETURN_IF_ERROR(check_fraction("sparse optimizer: beta2", sparse.beta2));
  PRERANK_RETURN_IF_ERROR(check_at_least("sparse optimizer: epsilon", sparse.epsilon, 0));
  PRERANK_RETURN_IF_ERROR(check_at_least("sparse optimizer: initial accumulator", sparse.initial_accumulator, 0));
  PRERANK_RETURN_IF_ERROR(check_at_least("sparse optimizer: l2", sparse.l2, 0));
  PRERANK_RETURN_IF_ERROR(check_fraction("dense optimizer: momentum", dense.momentum));
  PRERANK_RETURN_IF_ERROR(check_fraction("dense optimizer: beta1", dense.beta1));
  PRERANK_RETURN_IF_ERROR(check_fraction("dense optimizer: beta2", dense.beta2));
  PRERANK_RETURN_IF_ERROR(check_at_least("dense optimizer: epsilon", dense.epsilon, 0));
  PRERANK_RETURN_IF_ERROR(check_at_least("dense optimizer: initial accumulator", dense.initial_accumulator, 0));
  PRERANK_RETURN_IF_ERROR(check_at_least("dense optimizer: l2", dense.l2, 0));
  return check_at_least("dense optimizer: weight decay", dense.weight_decay, 0);
}

}  // namespace prerank
