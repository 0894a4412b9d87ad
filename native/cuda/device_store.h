// A parameter store's tensors on a device. Tables may stay in page-locked memory of the host, at addresses that kernels read and
// write like the device's own, but for the rows that lie in a cache on the device.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cuda/device.h"
#include "cuda/row_cache.h"
#include "prerank/kernel.h"
#include "prerank/parameter_store.h"

namespace prerank::cuda {

// A tensor's memory, of the device or of the host.
class TensorMemory {
 public:
  static Result<TensorMemory> allocate(size_t bytes, bool on_host, const std::string& what);

  template <class T>
  T* as() const {
    return on_host_ ? host_.as<T>() : device_.as<T>();
  }
  bool on_host() const { return on_host_; }
  size_t bytes() const { return on_host_ ? host_.bytes() : device_.bytes(); }

 private:
  bool on_host_ = false;
  DeviceBuffer device_;
  PinnedBuffer host_;
};

class DeviceStore final : public ParameterMirror {
 public:
  // The store's mirror on its device; made, with the store's values, when it has none yet.
  static Result<std::shared_ptr<DeviceStore>> of(ParameterStore& store);

  Status read(size_t parameter, std::optional<size_t> slot, std::span<float> into) const override;
  Status write(size_t parameter, std::optional<size_t> slot, std::span<const float> values) override;
  size_t bytes() const override;

  // Addresses of the device; null where the store has no such tensor. Parameters that are no tables hold float32.
  float* weights(size_t parameter) const { return tensors_[parameter].weights.as<float>(); }
  TableWeights table_weights(size_t parameter) const {
    return weights_at(tensors_[parameter].type, tensors_[parameter].weights.as<void>());
  }
  float* state(size_t parameter, size_t slot) const { return tensors_[parameter].state[slot].as<float>(); }
  size_t size(size_t parameter) const { return tensors_[parameter].count; }

  // Null without tables in the host's memory, or without a cache of their rows.
  const RowCache* cache() const { return cache_ ? &*cache_ : nullptr; }
  // On the device; null where all rows are at the addresses above.
  const CachedTable* cached(size_t parameter) const { return cache_ ? cache_->table(parameter) : nullptr; }
  // Bytes that were asked for, and are not taken yet.
  size_t wanted_cache_bytes() const;
  // Opens the cache, once. Unless told how large, it leaves `spare` bytes and a sixteenth of the device free.
  Status open_cache(size_t spare);

 private:
  struct Tensors {
    size_t count = 0;
    TableType type = TableType::kFloat32;
    TensorMemory weights;
    std::array<TensorMemory, 2> state;
  };

  explicit DeviceStore(int number) : number_(number) {}
  Status fill(ParameterStore& store);
  Status fill_weights(ParameterStore& store, size_t parameter);
  Status fill_state(ParameterStore& store, size_t parameter, size_t slot, const std::string& name);
  Status upload(const TensorMemory& memory, TableType type, std::span<const float> values) const;
  Status create_cache(ParameterStore& store);

  int number_;
  Stream stream_;
  std::vector<Tensors> tensors_;
  std::optional<RowCache> cache_;
  std::optional<size_t> cache_bytes_;  // none: what is free
};

}  // namespace prerank::cuda
