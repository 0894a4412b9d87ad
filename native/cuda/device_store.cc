#include "cuda/device_store.h"

#include <algorithm>

namespace prerank::cuda {

Result<std::shared_ptr<DeviceStore>> DeviceStore::of(ParameterStore& store) {
  if (store.mirror() != nullptr) return std::static_pointer_cast<DeviceStore>(store.mirror());
  std::shared_ptr<DeviceStore> mirror(new DeviceStore(store.options().device.cuda));
  PRERANK_ASSIGN_OR_RETURN(mirror->stream_, make_stream());
  PRERANK_RETURN_IF_ERROR(mirror->fill(store));
  store.move_to(mirror);
  return mirror;
}

Status DeviceStore::fill(ParameterStore& store) {
  const std::vector<Slot> parameters = store.parameter_slots();
  const std::vector<Slot> states = store.state_slots();
  size_t next_state = 0;
  tensors_.resize(parameters.size());
  for (size_t p = 0; p < parameters.size(); ++p) {
    const std::string& name = parameters[p].name;
    Tensors& tensors = tensors_[p];
    tensors.narrow = !store.narrow_weights(p).empty();
    PRERANK_ASSIGN_OR_RETURN(const std::vector<float> weights, store.read(name));
    tensors.count = weights.size();
    PRERANK_ASSIGN_OR_RETURN(
        tensors.weights,
        DeviceBuffer::allocate(weights.size() * (tensors.narrow ? sizeof(Bfloat16) : sizeof(float)), "parameter " + name));
    PRERANK_RETURN_IF_ERROR(upload(tensors.weights, tensors.narrow, weights));
    // The slots come in the parameters' order.
    for (size_t s = 0; s < tensors.state.size() && !store.state(p, s).empty(); ++s, ++next_state) {
      PRERANK_ASSIGN_OR_RETURN(const std::vector<float> state, store.read(states[next_state].name));
      PRERANK_ASSIGN_OR_RETURN(tensors.state[s],
                               DeviceBuffer::floats(state.size(), "optimizer state " + states[next_state].name));
      PRERANK_RETURN_IF_ERROR(upload(tensors.state[s], false, state));
    }
  }
  return {};
}

Status DeviceStore::upload(const DeviceBuffer& buffer, bool narrow, std::span<const float> values) const {
  std::vector<Bfloat16> rounded;
  const void* from = values.data();
  if (narrow) {
    rounded.resize(values.size());
    to_bfloat16(values, rounded);
    from = rounded.data();
  }
  PRERANK_CUDA(cudaMemcpyAsync(buffer.as<void>(), from, buffer.bytes(), cudaMemcpyHostToDevice, stream_.get()));
  PRERANK_CUDA(cudaStreamSynchronize(stream_.get()));
  return {};
}

Status DeviceStore::read(size_t parameter, std::optional<size_t> slot, std::span<float> into) const {
  PRERANK_CUDA(cudaSetDevice(number_));
  const Tensors& tensors = tensors_[parameter];
  const DeviceBuffer& buffer = slot ? tensors.state[*slot] : tensors.weights;
  std::vector<Bfloat16> rounded;
  void* to = into.data();
  if (!slot && tensors.narrow) {
    rounded.resize(into.size());
    to = rounded.data();
  }
  PRERANK_CUDA(cudaMemcpyAsync(to, buffer.as<void>(), buffer.bytes(), cudaMemcpyDeviceToHost, stream_.get()));
  PRERANK_CUDA(cudaStreamSynchronize(stream_.get()));
  if (!rounded.empty()) to_float(rounded, into);
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
    for (const DeviceBuffer& state : tensors.state) total += state.bytes();
  }
  return total;
}

}  // namespace prerank::cuda
