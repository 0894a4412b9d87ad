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

// Of a state for which the store holds so many: lazy tables have room for one row more.
size_t elements(const ParameterStore& store, size_t parameter, size_t held) {
  if (!store.lazy(parameter)) return held;
  const auto rows = static_cast<size_t>(store.shape(parameter).front());
  return held / (rows + 1) * rows;
}

size_t elements(std::span<const int64_t> shape) {
  size_t count = 1;
  for (const int64_t size : shape) count *= static_cast<size_t>(size);
  return count;
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
  return create_cache(store);
}

Status DeviceStore::create_cache(ParameterStore& store) {
  cache_bytes_ = store.options().device.table_cache;
  if (cache_bytes_ == size_t{0}) return {};
  std::vector<HostTable> tables;
  for (size_t p = 0; p < tensors_.size(); ++p) {
    const auto& [count, type, weights, state] = tensors_[p];
    if (!weights.on_host() || count == 0) continue;
    const auto rows = static_cast<size_t>(store.shape(p).front());
    tables.push_back({.parameter = p,
                      .rows = rows,
                      .arrays = {weights.as<void>(), state[0].as<float>(), state[1].as<float>()},
                      .weight_bytes = weights.bytes() / rows,
                      .state0_bytes = state[0].bytes() / rows,
                      .state1_bytes = state[1].bytes() / rows});
  }
  if (tables.empty()) return {};
  PRERANK_ASSIGN_OR_RETURN(cache_, RowCache::create(std::move(tables), tensors_.size()));
  return {};
}

size_t DeviceStore::wanted_cache_bytes() const {
  if (!cache_ || cache_->is_open()) return 0;
  return std::min(cache_bytes_.value_or(0), cache_->most_bytes());
}

Status DeviceStore::open_cache(size_t spare) {
  if (!cache_ || cache_->is_open()) return {};
  if (cache_bytes_) return cache_->open(std::min(*cache_bytes_, cache_->most_bytes()));
  size_t free = 0, total = 0;
  PRERANK_CUDA(cudaMemGetInfo(&free, &total));
  spare += total / 16;
  const size_t bytes = std::min(free > spare ? free - spare : 0, cache_->most_bytes());
  return bytes > cache_->least_bytes() ? cache_->open(bytes) : Status();
}

// Of a table that stays in the host's memory there is no third copy in between, unless it is lazy: then its rows are in
// another order.
Status DeviceStore::fill_weights(ParameterStore& store, size_t parameter) {
  const ParameterSpec& spec = store.options().parameters[parameter];
  Tensors& tensors = tensors_[parameter];
  const TableWeights weights = store.table_weights(parameter);
  tensors.type = type_of(weights);
  tensors.count = elements(store.shape(parameter));
  const size_t bytes = tensors.count * bytes_of(tensors.type);
  auto memory = TensorMemory::allocate(bytes, spec.host, "parameter " + spec.name);
  if (!memory.ok()) return advised(memory.status(), spec);
  tensors.weights = std::move(memory).value();
  if (spec.host && !store.lazy(parameter)) {
    std::memcpy(tensors.weights.as<void>(), address_of(weights), bytes);
    return {};
  }
  PRERANK_ASSIGN_OR_RETURN(const std::vector<float> values, store.read(spec.name));
  return upload(tensors.weights, tensors.type, values);
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
  return upload(into, TableType::kFloat32, values);
}

Status DeviceStore::upload(const TensorMemory& memory, TableType type, std::span<const float> values) const {
  if (memory.on_host()) {
    write_weights(values, weights_at(type, memory.as<void>()));
    return {};
  }
  std::vector<uint16_t> narrow;
  const void* from = values.data();
  if (type != TableType::kFloat32) {
    narrow.resize(values.size());
    write_weights(values, weights_at(type, narrow.data()));
    from = narrow.data();
  }
  PRERANK_CUDA(cudaMemcpyAsync(memory.as<void>(), from, memory.bytes(), cudaMemcpyHostToDevice, stream_.get()));
  PRERANK_CUDA(cudaStreamSynchronize(stream_.get()));
  return {};
}

Status DeviceStore::read(size_t parameter, std::optional<size_t> slot, std::span<float> into) const {
  PRERANK_CUDA(cudaSetDevice(number_));
  const Tensors& tensors = tensors_[parameter];
  const TensorMemory& memory = slot ? tensors.state[*slot] : tensors.weights;
  const TableType type = slot ? TableType::kFloat32 : tensors.type;
  if (memory.on_host()) {
    if (cache_) PRERANK_RETURN_IF_ERROR(cache_->flush(stream_.get()));
    read_weights(weights_at(type, memory.as<void>()), into);
    return {};
  }
  std::vector<uint16_t> narrow(type == TableType::kFloat32 ? 0 : into.size());
  void* const to = narrow.empty() ? static_cast<void*>(into.data()) : narrow.data();
  PRERANK_CUDA(cudaMemcpyAsync(to, memory.as<void>(), memory.bytes(), cudaMemcpyDeviceToHost, stream_.get()));
  PRERANK_CUDA(cudaStreamSynchronize(stream_.get()));
  if (!narrow.empty()) read_weights(weights_at(type, narrow.data()), into);
  return {};
}

Status DeviceStore::write(size_t parameter, std::optional<size_t> slot, std::span<const float> values) {
  PRERANK_CUDA(cudaSetDevice(number_));
  const Tensors& tensors = tensors_[parameter];
  if (cache_ && tensors.weights.on_host()) PRERANK_RETURN_IF_ERROR(cache_->empty(stream_.get()));
  return slot ? upload(tensors.state[*slot], TableType::kFloat32, values)
              : upload(tensors.weights, tensors.type, values);
}

size_t DeviceStore::bytes() const {
  size_t total = 0;
  for (const Tensors& tensors : tensors_) {
    total += tensors.weights.bytes();
    for (const TensorMemory& state : tensors.state) total += state.bytes();
  }
  if (cache_) total += cache_->bytes();
  return total;
}

}  // namespace prerank::cuda
