// One place of the ring in which batches travel to the device: page-locked memory of the host, its copy on the device, and
// the addresses there. Addresses that a captured graph holds never change; lists of any length are found through a table
// that travels with the batch.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "cuda/device.h"
#include "cuda/kernel.h"
#include "cuda/padded_size.h"
#include "plan/batch_check.h"
#include "prerank/batch.h"
#include "prerank/plan.h"

namespace prerank::cuda {

class BatchSlot {
 public:
  static Result<BatchSlot> create(const Plan& plan, const BatchLimits& limits);

  // Copies the batch into page-locked memory, padded to `size`. The device must be done with what the slot held. Longer
  // lists than any before get new memory.
  Status fill(const Batch& batch, const BatchSize& size, const StepNumbers& numbers);
  // Sends what fill() copied.
  Status enqueue_copy(cudaStream_t stream) const;

  const DeviceBatch& batch() const { return batch_; }
  const StepNumbers* numbers() const { return at<StepNumbers>(device_, numbers_); }
  // Of dense input i.
  float* dense(size_t i) const { return at<float>(device_, dense_[i].offset); }
  // Number of ids of each id input of the batch.
  std::span<const size_t> id_counts() const { return id_counts_; }
  size_t bytes() const { return device_.bytes() + device_lists_.bytes(); }

 private:
  template <class T>
  static T* at(const DeviceBuffer& buffer, size_t offset) {
    return reinterpret_cast<T*>(buffer.as<char>() + offset);
  }
  template <class T>
  T* pinned(size_t offset) const {
    return reinterpret_cast<T*>(host_.as<char>() + offset);
  }

  void lay_out(const Plan& plan, const BatchLimits& limits);
  size_t place(size_t count, size_t each);
  Status fill_ids(const Batch& batch);
  void fill_requests(const Batch& batch, const BatchSize& size);
  Status reserve_lists(size_t bytes);

  size_t tasks_ = 0;
  bool requests_ = false;  // the plan has the request domain; a batch may have requests all the same
  size_t fixed_bytes_ = 0, list_bytes_ = 0;
  // Byte offsets in the fixed part.
  size_t numbers_ = 0, ids_table_ = 0, targets_table_ = 0, weight_table_ = 0, inv_n_ = 0;
  size_t request_of_row_ = 0, request_offsets_ = 0, mask_ = 0, weight_ = 0;
  struct DensePiece {
    size_t offset = 0, width = 0;
    Domain domain = Domain::kRow;
  };
  std::vector<size_t> targets_;
  std::vector<DensePiece> dense_;
  std::vector<size_t> ids_;  // of single ids, or of a list's offsets
  std::vector<size_t> id_counts_;
  PinnedBuffer host_, host_lists_;
  DeviceBuffer device_, device_lists_;
  DeviceBatch batch_;
};

}  // namespace prerank::cuda
