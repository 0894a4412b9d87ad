#include "cuda/device_store.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace prerank::cuda {
namespace {

Status advised(const Status& status, const ParameterSpec& spec) {
  if (status.code() != Code::kOutOfMemory || !spec.table || spec.host) return status;
  return {status.code(), status.message() + "; training.hostTables names tables that stay in the host's memory"};
}

// Of a tensor for which the store holds so many: lazy tables have room for one row more.
size_t elements(const ParameterStore& store, size_t parameter, size_t held) {
  if (!store.lazy(parameter)) return held;
  const auto rows = static_cast<size_t>(store.shape(parameter).front());
  return held / (rows + 1) * rows;
}

}  // namespace

Result<std::shared_ptr<DeviceStore>> DeviceStore::of(ParameterStore& store) {
  if (store.mirror() != nullptr) return std::static_pointer_cast<DeviceStore>(store.mirror());
  std::shared_ptr<DeviceStore> mirror(new DeviceStore(store.options().device.cuda));
  PRERANK_ASSIGN_OR_RETURN(mirror->stream_, make_stream());
  PRERANK_RETURN_IF_ERROR(mirror->fill(store));
  store.move_to(mirror);
  return mirror;
}

Result<TensorMemory> TensorMemory::allocate(size_t bytes, bool on_host, const std::string& what) {
  TensorMemory memory;
  memory.on_host_ = on_host;
  if (on_host) {
    PRERANK_ASSIGN_OR_RETURN(memory.host_, PinnedBuffer::allocate(bytes, what));
  } else {
    PRERANK_ASSIGN_OR_RETURN(memory.device_, DeviceBuffer::allocate(bytes, what));
  }
  return memory;
}

Status DeviceStore::fill(ParameterStore& store) {
  const std::vector<Slot> states = store.state_slots();
  const size_t count = store.options().parameters.size();
  size_t next_state = 0;
  tensors_.resize(count);
  for (size_t p = 0; p < count; ++p) {
    PRERANK_RETURN_IF_ERROR(fill_weights(store, p));
    // The slots come in the parameters' order.
    for (size_t s = 0; s < tensors_[p].state.size() && !store.state(p, s).empty(); ++s, ++next_state) {
      PRERANK_RETURN_IF_ERROR(fill_state(store, p, s, states[next_state].name));
    }
  }
  return {};
}

// Of a table that stays in the host's memory there is no third copy in between, unless it is lazy: then its rows are in
// another order.
Status DeviceStore::fill_weights(ParameterStore& store, size_t parameter) {
  const ParameterSpec& spec = store.options().parameters[parameter];
  Tensors& tensors = tensors_[parameter];
  const std::span<const float> wide = store.weights(parameter);
  const std::span<const Bfloat16> narrow = store.narrow_weights(parameter);
  tensors.narrow = !narrow.empty();
  tensors.count = elements(store, parameter, std::max(wide.size(), narrow.size()));
  const size_t bytes = tensors.count * (tensors.narrow ? sizeof(Bfloat16) : sizeof(float));
  auto memory = TensorMemory::allocate(bytes, spec.host, "parameter " + spec.name);
  if (!memory.ok()) return advised(memory.status(), spec);
  tensors.weights = std::move(memory).value();
  if (spec.host && !store.lazy(parameter)) {
    const void* const from = tensors.narrow ? static_cast<const void*>(narrow.data()) : wide.data();
    std::memcpy(tensors.weights.as<void>(), from, bytes);
    return {};
  }
  PRERANK_ASSIGN_OR_RETURN(const std::vector<float> values, store.read(spec.name));
  return upload(tensors.weights, tensors.narrow, values);
}

Status DeviceStore::fill_state(ParameterStore& store, size_t parameter, size_t slot, const std::string& name) {
  const ParameterSpec& spec = store.options().parameters[parameter];
  TensorMemory& into = tensors_[parameter].state[slot];
  const std::span<const float> held = store.state(parameter, slot);
  const size_t bytes = elements(store, parameter, held.size()) * sizeof(float);
  auto memory = TensorMemory::allocate(bytes, spec.host, "optimizer state " + name);
  if (!memory.ok()) return advised(memory.status(), spec);
  into = std::move(memory).value();
  if (spec.host && !store.lazy(parameter)) {
    std::ranges::copy(held, into.as<float>());
    return {};
  }
  PRERANK_ASSIGN_OR_RETURN(const std::vector<float> values, store.read(name));
  return upload(into, false, values);
}

Status DeviceStore::upload(const TensorMemory& memory, bool narrow, std::span<const float> values) const {
  if (memory.on_host()) {
    if (narrow) {
      to_bfloat16(values, {memory.as<Bfloat16>(), values.size()});
    } else {
      std::ranges::copy(values, memory.as<float>());
    }
    return {};
  }
  std::vector<Bfloat16> rounded;
  const void* from = values.data();
  if (narrow) {
    rounded.resize(values.size());
    to_bfloat16(values, rounded);
    from = rounded.data();
  }
  PRERANK_CUDA(cudaMemcpyAsync(memory.as<void>(), from, memory.bytes(), cudaMemcpyHostToDevice, stream_.get()));
  PRERANK_CUDA(cudaStreamSynchronize(stream_.get()));
  return {};
}

Status DeviceStore::read(size_t parameter, std::optional<size_t> slot, std::span<float> into) const {
  PRERANK_CUDA(cudaSetDevice(number_));
  const Tensors& tensors = tensors_[parameter];
  const TensorMemory& memory = slot ? tensors.state[*slot] : tensors.weights;
  const bool narrow = !slot && tensors.narrow;
  if (memory.on_host()) {
    if (narrow) {
      to_float({memory.as<Bfloat16>(), into.size()}, into);
    } else {
      std::copy_n(memory.as<float>(), into.size(), into.data());
    }
    return {};
  }
  std::vector<Bfloat16> rounded(narrow ? into.size() : 0);
  void* const to = narrow ? static_cast<void*>(rounded.data()) : into.data();
  PRERANK_CUDA(cudaMemcpyAsync(to, memory.as<void>(), memory.bytes(), cudaMemcpyDeviceToHost, stream_.get()));
  PRERANK_CUDA(cudaStreamSynchronize(stream_.get()));
  if (narrow) to_float(rounded, into);
  return {};
}

Status DeviceStore::write(size_t parameter, std::optional<size_t> slot, std::span<const float> values) {
  PRERANK_CUDA(cudaSetDevice(number_));
  const Tensors& tensors = tensors_[parameter];
  return slot ? upload(tensors.state[*slot], false, values) : upload(tensors.weights, tensors.narrow, values);
}

size_t DeviceStore::bytes() const {
  size_t total = 0;
  for (const Tensors& tensors : tensors_) {
    total += tensors.weights.bytes();
    for (const TensorMemory& state : tensors.state) total += state.bytes();
  }
  return total;
}

}  // namespace prerank::cuda
