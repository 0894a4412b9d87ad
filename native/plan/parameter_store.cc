#include "prerank/parameter_store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/aligned_buffer.h"
#include "base/cpu_info.h"
#include "base/memory_info.h"
#include "base/thread_pool.h"
#include "plan/parameter_checks.h"
#include "plan/parameter_init.h"
#include "plan/row_slots.h"
#include "plan/state_layout.h"

namespace prerank {
namespace {

constexpr size_t kParallelElements = size_t{1} << 20;  // below, starting threads costs more than it saves
constexpr size_t kBlock = 1024;                        // a multiple of 4: see draw_parameter
constexpr int64_t kMostLazyRows = (int64_t{1} << 32) - 1;  // see RowSlots

Status invalid(std::string message) { return {Code::kInvalidArgument, std::move(message)}; }

class CpuParameterStore final : public ParameterStore {
 public:
  explicit CpuParameterStore(Options options) : options_(std::move(options)) {}

  Status build() {
    PRERANK_RETURN_IF_ERROR(check_optimizers(options_.sparse, options_.dense));
    if (options_.device.cuda < 0 && options_.device.matmul == MatmulPrecision::kTf32) {
      return invalid("the CPU multiplies matrices in float32 or bfloat16, not in tf32");
    }
    if (options_.device.cuda < 0 && options_.device.autotune) return invalid("the CPU has no algorithms to tune");
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
    const bool wide = type_of(options_.parameters[parameter]) == TableType::kFloat32;
    return wide ? parameters_[parameter].weights.as<float>() : std::span<float>();
  }
  TableWeights table_weights(size_t parameter) override {
    return weights_at(type_of(options_.parameters[parameter]), parameters_[parameter].weights.data());
  }
  std::span<const int64_t> shape(size_t parameter) const override { return options_.parameters[parameter].shape; }
  std::span<float> state(size_t parameter, size_t slot) override {
    return slot < 2 ? parameters_[parameter].state[slot].as<float>() : std::span<float>();
  }

  uint64_t version() const override { return version_.load(std::memory_order_acquire); }
  void changed() override { version_.fetch_add(1, std::memory_order_release); }
  bool lazy(size_t parameter) const override { return parameters_[parameter].slots.has_value(); }

  void touch(size_t parameter, std::span<const uint32_t> rows, std::span<uint32_t> slots) override {
    parameters_[parameter].slots->find(rows, slots.data(),
                                       [&](size_t row, size_t slot) { draw_row(parameter, row, slot); });
  }

  void move_to(std::shared_ptr<ParameterMirror> mirror) override {
    mirror_ = std::move(mirror);
    for (Parameter& parameter : parameters_) {
      parameter.weights = AlignedBuffer();
      parameter.state = {};
      parameter.slots.reset();
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
    if (lazy(tensor.parameter)) return read_lazy(tensor);
    std::vector<float> copy(tensor.size);
    read_weights(tensor.data, copy);
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
    if (lazy(tensor.parameter)) {
      write_lazy(tensor, values);
      return {};
    }
    write_weights(values, tensor.data);
    return {};
  }

  std::vector<Slot> parameter_slots() override {
    std::vector<Slot> slots;
    for (size_t p = 0; p < parameters_.size(); ++p) {
      const ParameterSpec& spec = options_.parameters[p];
      slots.push_back({spec.name, spec.shape, lazy(p) ? std::span<float>() : weights(p)});
    }
    return slots;
  }

  std::vector<Slot> state_slots() override {
    std::vector<Slot> slots;
    for (size_t p = 0; p < parameters_.size(); ++p) {
      const ParameterSpec& spec = options_.parameters[p];
      const std::vector<StateLayout> layouts = layouts_of(spec);
      for (size_t s = 0; s < layouts.size(); ++s) {
        const std::vector<int64_t> shape =
            layouts[s].per_row ? std::vector<int64_t>{spec.shape.front()} : spec.shape;
        slots.push_back({spec.name + "." + layouts[s].name, shape, lazy(p) ? std::span<float>() : state(p, s)});
      }
    }
    return slots;
  }

  size_t bytes() const override { return mirror_ == nullptr ? bytes_ : mirror_->bytes(); }

 private:
  struct Parameter {
    size_t count = 0;       // of elements
    AlignedBuffer weights;  // of type_of()
    std::array<AlignedBuffer, 2> state;
    std::optional<RowSlots> slots;  // tables of a store that exceeds the memory
  };

  // A parameter, or one of its state slots: the data is here, or in the mirror.
  struct Tensor {
    size_t parameter = 0;
    std::optional<size_t> slot;
    size_t size = 0;
    TableWeights data;
  };

  TableType type_of(const ParameterSpec& spec) const { return spec.table ? options_.table_type : TableType::kFloat32; }
  size_t weight_bytes(const ParameterSpec& spec) const { return bytes_of(type_of(spec)); }

  Result<Tensor> tensor_of(const std::string& name) const {
    if (const auto found = by_name_.find(name); found != by_name_.end()) {
      const size_t p = found->second;
      void* const address = parameters_[p].weights.data();
      return Tensor{p, std::nullopt, parameters_[p].count, weights_at(type_of(options_.parameters[p]), address)};
    }
    for (size_t p = 0; p < parameters_.size(); ++p) {
      const ParameterSpec& spec = options_.parameters[p];
      const std::vector<StateLayout> layouts = layouts_of(spec);
      for (size_t s = 0; s < layouts.size(); ++s) {
        if (name != spec.name + "." + layouts[s].name) continue;
        const size_t size = slot_size(spec, layouts[s], parameters_[p].count);
        return Tensor{p, s, size, parameters_[p].state[s].as<float>().data()};
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
      for (const StateLayout& layout : layouts_of(spec)) {
        bytes += static_cast<double>(slot_size(spec, layout, count) * sizeof(float));
      }
    }
    const size_t limit = options_.eager_bytes > 0 ? options_.eager_bytes : usable_memory() / 2;
    return limit > 0 && bytes > static_cast<double>(limit);
  }

  static size_t slot_size(const ParameterSpec& spec, const StateLayout& layout, size_t count) {
    return layout.per_row ? static_cast<size_t>(spec.shape.front()) : count;
  }

  // What a state slot holds before the first update.
  float start_of(size_t parameter, size_t slot) const {
    const ParameterSpec& spec = options_.parameters[parameter];
    if (std::string_view(layouts_of(spec)[slot].name) != "accumulator") return 0;
    return static_cast<float>(spec.table ? options_.sparse.initial_accumulator : options_.dense.initial_accumulator);
  }

  std::vector<StateLayout> layouts_of(const ParameterSpec& spec) const {
    if (!options_.training) return {};
    return spec.table ? state_layouts(options_.sparse) : state_layouts(options_.dense);
  }

  Status add(const ParameterSpec& spec, bool lazy) {
    PRERANK_ASSIGN_OR_RETURN(const size_t count, element_count(spec));
    const size_t index = parameters_.size();
    Parameter& parameter = parameters_.emplace_back();
    parameter.count = count;
    if (lazy) PRERANK_RETURN_IF_ERROR(add_slots(spec, parameter));
    // Slot 0 holds no row.
    const auto room = [&](size_t elements) {
      return lazy ? elements + elements / static_cast<size_t>(spec.shape.front()) : elements;
    };
    PRERANK_RETURN_IF_ERROR(allocate(spec, room(count) * weight_bytes(spec), lazy, parameter.weights));
    const std::vector<StateLayout> layouts = layouts_of(spec);
    for (size_t s = 0; s < layouts.size(); ++s) {
      const size_t size = slot_size(spec, layouts[s], count);
      PRERANK_RETURN_IF_ERROR(allocate(spec, room(size) * sizeof(float), lazy, parameter.state[s]));
      const float start = start_of(index, s);
      if (start != 0 && !lazy) std::ranges::fill(parameter.state[s].as<float>(), start);
    }
    return {};
  }

  Status add_slots(const ParameterSpec& spec, Parameter& parameter) {
    if (spec.shape.front() > kMostLazyRows) {
      return invalid("parameter " + spec.name + ": a table that exceeds the memory has at most " +
                     std::to_string(kMostLazyRows) + " rows");
    }
    auto slots = RowSlots::create(static_cast<size_t>(spec.shape.front()));
    if (!slots.ok()) return {slots.status().code(), "parameter " + spec.name + ": " + slots.status().message()};
    parameter.slots.emplace(std::move(slots).value());
    bytes_ += parameter.slots->bytes();
    return {};
  }

  Status allocate(const ParameterSpec& spec, size_t bytes, bool lazy, AlignedBuffer& into) {
    auto buffer = lazy ? AlignedBuffer::reserved(bytes) : AlignedBuffer::pooled(bytes);
    if (!buffer.ok()) return {buffer.status().code(), "parameter " + spec.name + ": " + buffer.status().message()};
    into = std::move(buffer).value();
    bytes_ += into.bytes();
    return {};
  }

  // What a table of 16 bits holds of drawn values.
  static void round(TableType type, std::span<float> values) {
    std::array<uint16_t, kBlock> rounded;
    const TableWeights narrow = weights_at(type, rounded.data());
    for (size_t done = 0; done < values.size(); done += kBlock) {
      const std::span<float> part = values.subspan(done, std::min(kBlock, values.size() - done));
      write_weights(part, narrow);
      read_weights(narrow, part);
    }
  }

  // Draws elements [first, first + count) of a parameter into its weights from `to` on.
  void draw_weights(size_t parameter, size_t first, size_t count, size_t to) {
    const ParameterSpec& spec = options_.parameters[parameter];
    if (type_of(spec) == TableType::kFloat32) {
      draw_parameter(spec.init, options_.seed, spec.name, first, weights(parameter).subspan(to, count));
      return;
    }
    std::array<float, kBlock> block;
    for (size_t done = 0; done < count; done += kBlock) {
      const std::span<float> drawn = std::span(block).first(std::min(kBlock, count - done));
      draw_parameter(spec.init, options_.seed, spec.name, first + done, drawn);
      write_weights(drawn, behind(table_weights(parameter), to + done));
    }
  }

  // Floats of one row in a tensor of a table.
  size_t row_width(const Tensor& tensor) const {
    return tensor.size / static_cast<size_t>(options_.parameters[tensor.parameter].shape.front());
  }

  // Weights and state of a lazy table's row, into a slot that nothing was written to.
  void draw_row(size_t parameter, size_t row, size_t slot) {
    const auto rows = static_cast<size_t>(options_.parameters[parameter].shape.front());
    Parameter& p = parameters_[parameter];
    const size_t width = p.count / rows;
    draw_weights(parameter, row * width, width, slot * width);
    for (size_t s = 0; s < p.state.size(); ++s) {
      const std::span<float> state = p.state[s].as<float>();
      if (state.empty() || start_of(parameter, s) == 0) continue;
      const size_t each = state.size() / (rows + 1);
      std::ranges::fill(state.subspan(slot * each, each), start_of(parameter, s));
    }
  }

  // What draw_row writes, as read() gives it.
  void start_row(const Tensor& tensor, size_t row, std::span<float> into) const {
    const ParameterSpec& spec = options_.parameters[tensor.parameter];
    if (tensor.slot) {
      std::ranges::fill(into, start_of(tensor.parameter, *tensor.slot));
      return;
    }
    draw_parameter(spec.init, options_.seed, spec.name, row * into.size(), into);
    if (type_of(spec) != TableType::kFloat32) round(type_of(spec), into);
  }

  std::vector<float> read_lazy(const Tensor& tensor) const {
    const RowSlots& slots = *parameters_[tensor.parameter].slots;
    const size_t width = row_width(tensor);
    std::vector<float> copy(tensor.size);
    for (size_t row = 0; row * width < copy.size(); ++row) {
      const std::span<float> into = std::span(copy).subspan(row * width, width);
      const size_t slot = slots.of(row);
      if (slot == 0) {
        start_row(tensor, row, into);
      } else {
        read_weights(behind(tensor.data, slot * width), into);
      }
    }
    return copy;
  }

  // Rows that hold what they would be drawn as need no memory.
  void write_lazy(const Tensor& tensor, std::span<const float> values) {
    RowSlots& slots = *parameters_[tensor.parameter].slots;
    const size_t width = row_width(tensor);
    std::vector<float> start(width);
    for (size_t row = 0; row * width < values.size(); ++row) {
      const std::span<const float> given = values.subspan(row * width, width);
      size_t slot = slots.of(row);
      if (slot == 0) {
        start_row(tensor, row, start);
        if (std::memcmp(start.data(), given.data(), given.size_bytes()) == 0) continue;
        slot = slots.add(row);
        draw_row(tensor.parameter, row, slot);
      }
      write_weights(given, behind(tensor.data, slot * width));
    }
  }

  // Draws are independent, so any split gives the same values.
  Status draw() {
    const bool parallel = bytes_ / sizeof(float) >= kParallelElements;
    PRERANK_ASSIGN_OR_RETURN(const auto pool, ThreadPool::create(parallel ? usable_cores() : 1));
    for (size_t p = 0; p < parameters_.size(); ++p) {
      const ParameterSpec& spec = options_.parameters[p];
      if (spec.init.kind == InitKind::kZero || lazy(p)) continue;
      const size_t count = parameters_[p].weights.bytes() / weight_bytes(spec);
      const size_t blocks = (count + kBlock - 1) / kBlock;
      pool->run([&](size_t worker) {
        const Share share = share_of(blocks, worker, pool->workers());
        const size_t begin = share.begin * kBlock, end = std::min(share.end * kBlock, count);
        if (begin < end) draw_weights(p, begin, end - begin, begin);
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
