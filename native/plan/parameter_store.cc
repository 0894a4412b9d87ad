#include "prerank/parameter_store.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <utility>

#include "base/aligned_buffer.h"
#include "base/cpu_info.h"
#include "base/thread_pool.h"
#include "plan/parameter_init.h"

namespace prerank {
namespace {

constexpr size_t kParallelElements = size_t{1} << 20;  // below, starting threads costs more than it saves
constexpr size_t kBlock = 1024;                        // a multiple of 4: see draw_parameter

// One optimizer slot: its name and whether it has one value per table row.
struct SlotLayout {
  const char* name;
  bool per_row = false;
};

std::vector<SlotLayout> sparse_slots(const SparseOptimizer& optimizer) {
  switch (optimizer.kind) {
    case SparseOptimizerKind::kSgd: return {};
    case SparseOptimizerKind::kAdagrad: return {{"accumulator"}};
    case SparseOptimizerKind::kRowwiseAdagrad: return {{"accumulator", true}};
    case SparseOptimizerKind::kAdam: return {{"m"}, {"v"}};
  }
  return {};
}

std::vector<SlotLayout> dense_slots(const DenseOptimizer& optimizer) {
  switch (optimizer.kind) {
    case DenseOptimizerKind::kSgd:
      return optimizer.momentum != 0 ? std::vector<SlotLayout>{{"momentum"}} : std::vector<SlotLayout>{};
    case DenseOptimizerKind::kAdagrad: return {{"accumulator"}};
    case DenseOptimizerKind::kAdam:
    case DenseOptimizerKind::kAdamW: return {{"m"}, {"v"}};
  }
  return {};
}

Status invalid(std::string message) { return {Code::kInvalidArgument, std::move(message)}; }

Result<size_t> element_count(const ParameterSpec& spec) {
  size_t count = 1;
  for (const int64_t size : spec.shape) {
    if (size < 1) {
      return invalid("parameter " + spec.name + ": dimension " + std::to_string(size) + " of its shape is not positive");
    }
    if (count > (std::numeric_limits<size_t>::max() >> 3) / static_cast<size_t>(size)) {
      return invalid("parameter " + spec.name + ": its shape is too large");
    }
    count *= static_cast<size_t>(size);
  }
  return count;
}

Status check_spec(const ParameterSpec& spec) {
  if (spec.name.empty()) return invalid("a parameter has no name");
  if (spec.table && spec.shape.size() != 2) {
    return invalid("parameter " + spec.name + ": a table's shape is [rows, dim], this has " +
                   std::to_string(spec.shape.size()) + " dimensions");
  }
  if (!std::isfinite(spec.init.scale)) return invalid("parameter " + spec.name + ": the scale of its init is not finite");
  return {};
}

Status check_at_least(const char* name, double value, double lowest) {
  if (std::isfinite(value) && value >= lowest) return {};
  return invalid(std::string(name) + " must be a finite number, at least " + std::to_string(lowest) + ", got " +
                 std::to_string(value));
}

Status check_fraction(const char* name, double value) {
  if (value >= 0 && value < 1) return {};
  return invalid(std::string(name) + " must be in [0, 1), got " + std::to_string(value));
}

Status check_optimizers(const ParameterStore::Options& options) {
  const SparseOptimizer& sparse = options.sparse;
  PRERANK_RETURN_IF_ERROR(check_fraction("sparse optimizer: beta1", sparse.beta1));
  PRERANK_RETURN_IF_ERROR(check_fraction("sparse optimizer: beta2", sparse.beta2));
  PRERANK_RETURN_IF_ERROR(check_at_least("sparse optimizer: epsilon", sparse.epsilon, 0));
  PRERANK_RETURN_IF_ERROR(check_at_least("sparse optimizer: initial accumulator", sparse.initial_accumulator, 0));
  PRERANK_RETURN_IF_ERROR(check_at_least("sparse optimizer: l2", sparse.l2, 0));
  const DenseOptimizer& dense = options.dense;
  PRERANK_RETURN_IF_ERROR(check_fraction("dense optimizer: momentum", dense.momentum));
  PRERANK_RETURN_IF_ERROR(check_fraction("dense optimizer: beta1", dense.beta1));
  PRERANK_RETURN_IF_ERROR(check_fraction("dense optimizer: beta2", dense.beta2));
  PRERANK_RETURN_IF_ERROR(check_at_least("dense optimizer: epsilon", dense.epsilon, 0));
  PRERANK_RETURN_IF_ERROR(check_at_least("dense optimizer: initial accumulator", dense.initial_accumulator, 0));
  PRERANK_RETURN_IF_ERROR(check_at_least("dense optimizer: l2", dense.l2, 0));
  return check_at_least("dense optimizer: weight decay", dense.weight_decay, 0);
}

class CpuParameterStore final : public ParameterStore {
 public:
  explicit CpuParameterStore(Options options) : options_(std::move(options)) {}

  Status build() {
    PRERANK_RETURN_IF_ERROR(check_optimizers(options_));
    parameters_.reserve(options_.parameters.size());
    for (const ParameterSpec& spec : options_.parameters) {
      PRERANK_RETURN_IF_ERROR(check_spec(spec));
      if (!by_name_.emplace(spec.name, parameters_.size()).second) {
        return invalid("parameter " + spec.name + " is given twice");
      }
      PRERANK_ASSIGN_OR_RETURN(const size_t count, element_count(spec));
      PRERANK_RETURN_IF_ERROR(add(spec, count));
    }
    return draw();
  }

  const Options& options() const override { return options_; }

  Result<size_t> find(const std::string& name) const override {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return Status(Code::kNotFound, "the parameter store has no parameter " + name);
    return found->second;
  }

  std::span<float> weights(size_t parameter) override { return parameters_[parameter].weights.as<float>(); }
  std::span<const int64_t> shape(size_t parameter) const override { return options_.parameters[parameter].shape; }
  std::span<float> state(size_t parameter, size_t slot) override {
    return slot < 2 ? parameters_[parameter].state[slot].as<float>() : std::span<float>();
  }

  std::vector<Slot> parameter_slots() override {
    std::vector<Slot> slots;
    for (size_t p = 0; p < parameters_.size(); ++p) {
      slots.push_back({options_.parameters[p].name, options_.parameters[p].shape, weights(p)});
    }
    return slots;
  }

  std::vector<Slot> state_slots() override {
    std::vector<Slot> slots;
    for (size_t p = 0; p < parameters_.size(); ++p) {
      const ParameterSpec& spec = options_.parameters[p];
      const std::vector<SlotLayout> layouts = layouts_of(spec);
      for (size_t s = 0; s < layouts.size(); ++s) {
        const std::vector<int64_t> shape =
            layouts[s].per_row ? std::vector<int64_t>{spec.shape.front()} : spec.shape;
        slots.push_back({spec.name + "." + layouts[s].name, shape, state(p, s)});
      }
    }
    return slots;
  }

  size_t bytes() const override { return bytes_; }

 private:
  struct Parameter {
    AlignedBuffer weights;
    std::array<AlignedBuffer, 2> state;
  };

  std::vector<SlotLayout> layouts_of(const ParameterSpec& spec) const {
    if (!options_.training) return {};
    return spec.table ? sparse_slots(options_.sparse) : dense_slots(options_.dense);
  }

  Status add(const ParameterSpec& spec, size_t count) {
    Parameter& parameter = parameters_.emplace_back();
    PRERANK_RETURN_IF_ERROR(allocate(spec, count, parameter.weights));
    const std::vector<SlotLayout> layouts = layouts_of(spec);
    for (size_t s = 0; s < layouts.size(); ++s) {
      const size_t size = layouts[s].per_row ? static_cast<size_t>(spec.shape.front()) : count;
      PRERANK_RETURN_IF_ERROR(allocate(spec, size, parameter.state[s]));
      if (std::string_view(layouts[s].name) != "accumulator") continue;
      const double start = spec.table ? options_.sparse.initial_accumulator : options_.dense.initial_accumulator;
      std::ranges::fill(parameter.state[s].as<float>(), static_cast<float>(start));
    }
    return {};
  }

  Status allocate(const ParameterSpec& spec, size_t count, AlignedBuffer& into) {
    auto buffer = AlignedBuffer::floats(count);
    if (!buffer.ok()) return {buffer.status().code(), "parameter " + spec.name + ": " + buffer.status().message()};
    into = std::move(buffer).value();
    bytes_ += into.bytes();
    return {};
  }

  // Draws are independent, so any split gives the same values.
  Status draw() {
    const bool parallel = bytes_ / sizeof(float) >= kParallelElements;
    PRERANK_ASSIGN_OR_RETURN(const auto pool, ThreadPool::create(parallel ? usable_cores() : 1));
    for (size_t p = 0; p < parameters_.size(); ++p) {
      const ParameterSpec& spec = options_.parameters[p];
      if (spec.init.kind == InitKind::kZero) continue;
      const std::span<float> all = weights(p);
      const size_t blocks = (all.size() + kBlock - 1) / kBlock;
      pool->run([&](size_t worker) {
        const Share share = share_of(blocks, worker, pool->workers());
        const size_t begin = share.begin * kBlock, end = std::min(share.end * kBlock, all.size());
        if (begin < end) draw_parameter(spec.init, options_.seed, spec.name, begin, all.subspan(begin, end - begin));
      });
    }
    return {};
  }

  Options options_;
  std::vector<Parameter> parameters_;
  std::unordered_map<std::string, size_t> by_name_;
  size_t bytes_ = 0;
};

}  // namespace

Result<std::shared_ptr<ParameterStore>> ParameterStore::create(Options options) {
  auto store = std::make_shared<CpuParameterStore>(std::move(options));
  PRERANK_RETURN_IF_ERROR(store->build());
  return std::shared_ptr<ParameterStore>(std::move(store));
}

}  // namespace prerank
