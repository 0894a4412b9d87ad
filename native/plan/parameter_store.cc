#include "prerank/parameter_store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/aligned_buffer.h"
#include "base/cpu_info.h"
#include "base/memory_info.h"
#include "base/thread_pool.h"
#include "plan/lazy_rows.h"
#include "plan/parameter_checks.h"
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

class CpuParameterStore final : public ParameterStore {
 public:
  explicit CpuParameterStore(Options options) : options_(std::move(options)) {}

  Status build() {
    PRERANK_RETURN_IF_ERROR(check_optimizers(options_.sparse, options_.dense));
    if (options_.device.cuda < 0 && options_.device.matmul != MatmulPrecision::kFloat32) {
      return invalid("the CPU multiplies matrices in float32 only");
    }
    PRERANK_ASSIGN_OR_RETURN(const bool lazy, exceeds_memory());
    parameters_.reserve(options_.parameters.size());
    for (const ParameterSpec& spec : options_.parameters) {
      if (!by_name_.emplace(spec.name, parameters_.size()).second) {
        return invalid("parameter " + spec.name + " is given twice");
      }
      PRERANK_RETURN_IF_ERROR(add(spec, lazy && spec.table));
    }
    return draw();
  }

  const Options& options() const override { return options_; }

  Result<size_t> find(const std::string& name) const override {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return Status(Code::kNotFound, "the parameter store has no parameter " + name);
    return found->second;
  }

  std::span<float> weights(size_t parameter) override {
    return narrow(parameter) ? std::span<float>() : parameters_[parameter].weights.as<float>();
  }
  std::span<Bfloat16> narrow_weights(size_t parameter) override {
    return narrow(parameter) ? parameters_[parameter].weights.as<Bfloat16>() : std::span<Bfloat16>();
  }
  std::span<const int64_t> shape(size_t parameter) const override { return options_.parameters[parameter].shape; }
  std::span<float> state(size_t parameter, size_t slot) override {
    return slot < 2 ? parameters_[parameter].state[slot].as<float>() : std::span<float>();
  }

  uint64_t version() const override { return version_.load(std::memory_order_acquire); }
  void changed() override { version_.fetch_add(1, std::memory_order_release); }
  bool lazy(size_t parameter) const override { return parameters_[parameter].lazy.has_value(); }

  void touch(size_t parameter, std::span<const uint32_t> rows) override {
    Parameter& p = parameters_[parameter];
    if (p.lazy) p.lazy->touch(rows, [&](size_t first, size_t end) { draw_rows(parameter, first, end); });
  }

  void move_to(std::shared_ptr<ParameterMirror> mirror) override {
    mirror_ = std::move(mirror);
    for (Parameter& parameter : parameters_) {
      parameter.weights = AlignedBuffer();
      parameter.state = {};
      parameter.lazy.reset();
    }
    bytes_ = 0;
  }
  const std::shared_ptr<ParameterMirror>& mirror() const override { return mirror_; }

  Result<std::vector<float>> read(const std::string& name) const override {
    PRERANK_ASSIGN_OR_RETURN(const Tensor tensor, tensor_of(name));
    if (mirror_ != nullptr) {
      std::vector<float> copy(tensor.size);
      PRERANK_RETURN_IF_ERROR(mirror_->read(tensor.parameter, tensor.slot, copy));
      return copy;
    }
    const Parameter& p = parameters_[tensor.parameter];
    std::vector<float> copy(tensor.data.begin(), tensor.data.end());
    if (!tensor.narrow.empty()) {
      copy.resize(tensor.narrow.size());
      to_float(tensor.narrow, copy);
    }
    if (!p.lazy) return copy;
    const ParameterSpec& spec = options_.parameters[tensor.parameter];
    const size_t width = copy.size() / static_cast<size_t>(spec.shape.front());
    p.lazy->each_missing([&](size_t first, size_t end) {
      const std::span<float> rows = std::span(copy).subspan(first * width, (end - first) * width);
      if (tensor.slot) {
        std::ranges::fill(rows, start_of(tensor.parameter, *tensor.slot));
      } else {
        draw_parameter(spec.init, options_.seed, spec.name, first * width, rows);
        if (!tensor.narrow.empty()) round(rows);
      }
    });
    return copy;
  }

  Status write(const std::string& name, std::span<const float> values) override {
    PRERANK_ASSIGN_OR_RETURN(const Tensor tensor, tensor_of(name));
    if (values.size() != tensor.size) {
      return invalid("tensor " + name + " has " + std::to_string(tensor.size) + " elements, data has " +
                     std::to_string(values.size()));
    }
    changed();
    if (mirror_ != nullptr) return mirror_->write(tensor.parameter, tensor.slot, values);
    Parameter& p = parameters_[tensor.parameter];
    if (p.lazy) {
      p.lazy->each_missing([&](size_t first, size_t end) { draw_rows(tensor.parameter, first, end); });
      p.lazy->mark_all();
    }
    if (tensor.narrow.empty()) {
      std::ranges::copy(values, tensor.data.begin());
    } else {
      to_bfloat16(values, tensor.narrow);
    }
    return {};
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

  size_t bytes() const override { return mirror_ == nullptr ? bytes_ : mirror_->bytes(); }

 private:
  struct Parameter {
    size_t count = 0;       // of elements
    AlignedBuffer weights;  // float, or Bfloat16
    std::array<AlignedBuffer, 2> state;
    std::optional<LazyRows> lazy;  // tables of a store that exceeds the memory
  };

  // A parameter, or one of its state slots: the data is of one of the types, or in the mirror.
  struct Tensor {
    size_t parameter = 0;
    std::optional<size_t> slot;
    size_t size = 0;
    std::span<float> data;
    std::span<Bfloat16> narrow;
  };

  bool narrow(const ParameterSpec& spec) const { return spec.table && options_.table_type == TableType::kBfloat16; }
  bool narrow(size_t parameter) const { return narrow(options_.parameters[parameter]); }
  size_t weight_bytes(const ParameterSpec& spec) const { return narrow(spec) ? sizeof(Bfloat16) : sizeof(float); }

  Result<Tensor> tensor_of(const std::string& name) const {
    if (const auto found = by_name_.find(name); found != by_name_.end()) {
      const Parameter& p = parameters_[found->second];
      if (narrow(found->second)) return Tensor{found->second, std::nullopt, p.count, {}, p.weights.as<Bfloat16>()};
      return Tensor{found->second, std::nullopt, p.count, p.weights.as<float>(), {}};
    }
    for (size_t p = 0; p < parameters_.size(); ++p) {
      const ParameterSpec& spec = options_.parameters[p];
      const std::vector<SlotLayout> layouts = layouts_of(spec);
      for (size_t s = 0; s < layouts.size(); ++s) {
        if (name != spec.name + "." + layouts[s].name) continue;
        return Tensor{p, s, slot_size(spec, layouts[s], parameters_[p].count), parameters_[p].state[s].as<float>(), {}};
      }
    }
    return Status(Code::kNotFound, "the parameter store has no tensor " + name);
  }

  // Whether everything together is larger than what is drawn at once.
  Result<bool> exceeds_memory() const {
    double bytes = 0;
    for (const ParameterSpec& spec : options_.parameters) {
      PRERANK_RETURN_IF_ERROR(check_spec(spec));
      PRERANK_ASSIGN_OR_RETURN(const size_t count, element_count(spec));
      bytes += static_cast<double>(count * weight_bytes(spec));
      for (const SlotLayout& layout : layouts_of(spec)) {
        bytes += static_cast<double>(slot_size(spec, layout, count) * sizeof(float));
      }
    }
    const size_t limit = options_.eager_bytes > 0 ? options_.eager_bytes : usable_memory() / 2;
    return limit > 0 && bytes > static_cast<double>(limit);
  }

  static size_t slot_size(const ParameterSpec& spec, const SlotLayout& layout, size_t count) {
    return layout.per_row ? static_cast<size_t>(spec.shape.front()) : count;
  }

  // What a state slot holds before the first update.
  float start_of(size_t parameter, size_t slot) const {
    const ParameterSpec& spec = options_.parameters[parameter];
    if (std::string_view(layouts_of(spec)[slot].name) != "accumulator") return 0;
    return static_cast<float>(spec.table ? options_.sparse.initial_accumulator : options_.dense.initial_accumulator);
  }

  std::vector<SlotLayout> layouts_of(const ParameterSpec& spec) const {
    if (!options_.training) return {};
    return spec.table ? sparse_slots(options_.sparse) : dense_slots(options_.dense);
  }

  Status add(const ParameterSpec& spec, bool lazy) {
    PRERANK_ASSIGN_OR_RETURN(const size_t count, element_count(spec));
    const size_t index = parameters_.size();
    Parameter& parameter = parameters_.emplace_back();
    parameter.count = count;
    if (lazy) parameter.lazy.emplace(static_cast<size_t>(spec.shape.front()));
    PRERANK_RETURN_IF_ERROR(allocate(spec, count * weight_bytes(spec), lazy, parameter.weights));
    const std::vector<SlotLayout> layouts = layouts_of(spec);
    for (size_t s = 0; s < layouts.size(); ++s) {
      PRERANK_RETURN_IF_ERROR(allocate(spec, slot_size(spec, layouts[s], count) * sizeof(float), lazy, parameter.state[s]));
      const float start = start_of(index, s);
      if (start != 0 && !lazy) std::ranges::fill(parameter.state[s].as<float>(), start);
    }
    return {};
  }

  Status allocate(const ParameterSpec& spec, size_t bytes, bool lazy, AlignedBuffer& into) {
    auto buffer = AlignedBuffer::allocate(bytes, lazy ? AlignedBuffer::Pages::kSmall : AlignedBuffer::Pages::kHuge);
    if (!buffer.ok()) return {buffer.status().code(), "parameter " + spec.name + ": " + buffer.status().message()};
    into = std::move(buffer).value();
    bytes_ += into.bytes();
    return {};
  }

  // What a table of 16 bits holds of drawn values.
  static void round(std::span<float> values) {
    std::array<Bfloat16, kBlock> rounded;
    for (size_t done = 0; done < values.size(); done += kBlock) {
      const std::span<float> part = values.subspan(done, std::min(kBlock, values.size() - done));
      const std::span<Bfloat16> narrow = std::span(rounded).first(part.size());
      to_bfloat16(part, narrow);
      to_float(narrow, part);
    }
  }

  // Elements [begin, end) of a parameter's weights; begin is a multiple of 4.
  void draw_weights(size_t parameter, size_t begin, size_t end) {
    const ParameterSpec& spec = options_.parameters[parameter];
    if (begin >= end) return;
    if (!narrow(parameter)) {
      draw_parameter(spec.init, options_.seed, spec.name, begin, weights(parameter).subspan(begin, end - begin));
      return;
    }
    std::array<float, kBlock> block;
    for (; begin < end; begin += kBlock) {
      const std::span<float> drawn = std::span(block).first(std::min(kBlock, end - begin));
      draw_parameter(spec.init, options_.seed, spec.name, begin, drawn);
      to_bfloat16(drawn, narrow_weights(parameter).subspan(begin, drawn.size()));
    }
  }

  // Weights and state of rows [first, end) of a lazy table.
  void draw_rows(size_t parameter, size_t first, size_t end) {
    const ParameterSpec& spec = options_.parameters[parameter];
    Parameter& p = parameters_[parameter];
    const auto width = static_cast<size_t>(spec.shape[1]);
    const auto rows_of = [&](const AlignedBuffer& buffer, size_t each) {
      return buffer.as<float>().subspan(first * each, (end - first) * each);
    };
    draw_weights(parameter, first * width, end * width);
    for (size_t s = 0; s < p.state.size(); ++s) {
      if (p.state[s].bytes() == 0) continue;
      const float start = start_of(parameter, s);
      const size_t each = p.state[s].as<float>().size() / static_cast<size_t>(spec.shape.front());
      if (start != 0) std::ranges::fill(rows_of(p.state[s], each), start);
    }
  }

  // Draws are independent, so any split gives the same values.
  Status draw() {
    const bool parallel = bytes_ / sizeof(float) >= kParallelElements;
    PRERANK_ASSIGN_OR_RETURN(const auto pool, ThreadPool::create(parallel ? usable_cores() : 1));
    for (size_t p = 0; p < parameters_.size(); ++p) {
      const ParameterSpec& spec = options_.parameters[p];
      if (spec.init.kind == InitKind::kZero || parameters_[p].lazy) continue;
      const size_t count = parameters_[p].weights.bytes() / weight_bytes(spec);
      const size_t blocks = (count + kBlock - 1) / kBlock;
      pool->run([&](size_t worker) {
        const Share share = share_of(blocks, worker, pool->workers());
        draw_weights(p, share.begin * kBlock, std::min(share.end * kBlock, count));
      });
    }
    return {};
  }

  Options options_;
  std::vector<Parameter> parameters_;
  std::atomic<uint64_t> version_{0};
  std::unordered_map<std::string, size_t> by_name_;
  std::shared_ptr<ParameterMirror> mirror_;
  size_t bytes_ = 0;
};

}  // namespace

Result<std::shared_ptr<ParameterStore>> ParameterStore::create(Options options) {
  auto store = std::make_shared<CpuParameterStore>(std::move(options));
  PRERANK_RETURN_IF_ERROR(store->build());
  return std::shared_ptr<ParameterStore>(std::move(store));
}

}  // namespace prerank
