#include "cuda/batch_slot.h"

#include <algorithm>
#include <cstring>

namespace prerank::cuda {
namespace {

constexpr size_t kPieceAlignment = 256;

size_t aligned_up(size_t bytes) { return (bytes + kPieceAlignment - 1) / kPieceAlignment * kPieceAlignment; }

template <class From, class T>
void copy_span(From from, T* to) {
  if (!from.empty()) std::memcpy(to, from.data(), from.size_bytes());
}

// Rows [count, padded) become copies of the row before them.
void pad_rows(float* rows, size_t width, size_t count, size_t padded) {
  if (count == 0) return;
  for (size_t r = count; r < padded; ++r) std::memcpy(rows + r * width, rows + (r - 1) * width, width * sizeof(float));
}

uint32_t last_bag(const BatchIds& ids) {
  const size_t bags = ids.offsets.empty() ? ids.ids.size() : ids.offsets.size() - 1;
  return bags == 0 ? 0 : static_cast<uint32_t>(bags - 1);
}

}  // namespace

Result<BatchSlot> BatchSlot::create(const Plan& plan, const BatchLimits& limits) {
  BatchSlot slot;
  slot.lay_out(plan, limits);
  PRERANK_ASSIGN_OR_RETURN(slot.host_, PinnedBuffer::allocate(slot.fixed_bytes_, "a batch"));
  PRERANK_ASSIGN_OR_RETURN(slot.device_, DeviceBuffer::allocate(slot.fixed_bytes_, "a batch"));
  std::memset(slot.host_.as<void>(), 0, slot.fixed_bytes_);
  const DeviceBuffer& device = slot.device_;
  slot.batch_ = {at<DeviceIds>(device, slot.ids_table_),
                 at<uint32_t>(device, slot.request_of_row_),
                 at<uint32_t>(device, slot.request_offsets_),
                 at<uint32_t>(device, slot.mask_),
                 at<const float*>(device, slot.targets_table_),
                 at<double>(device, slot.inv_n_),
                 at<const float*>(device, slot.weight_table_)};
  return slot;
}

// Takes the next piece of the fixed part and returns its offset.
size_t BatchSlot::place(size_t count, size_t each) {
  const size_t offset = fixed_bytes_;
  fixed_bytes_ += aligned_up(count * each);
  return offset;
}

void BatchSlot::lay_out(const Plan& plan, const BatchLimits& limits) {
  const auto capacity = [&](Domain domain) { return domain == Domain::kRequest ? limits.requests : limits.rows; };
  tasks_ = plan.tasks.size();
  requests_ = limits.request_domain;
  numbers_ = place(1, sizeof(StepNumbers));
  ids_table_ = place(plan.id_inputs.size(), sizeof(DeviceIds));
  targets_table_ = place(tasks_, sizeof(float*));
  weight_table_ = place(1, sizeof(float*));
  inv_n_ = place(tasks_, sizeof(double));
  request_of_row_ = place(limits.request_domain ? limits.rows : 0, sizeof(uint32_t));
  request_offsets_ = place(limits.request_domain ? limits.requests + 1 : 0, sizeof(uint32_t));
  mask_ = place(tasks_ > 0 ? limits.rows : 0, sizeof(uint32_t));
  for (size_t k = 0; k < tasks_; ++k) targets_.push_back(place(limits.rows, sizeof(float)));
  weight_ = place(tasks_ > 0 ? limits.rows : 0, sizeof(float));
  for (const PlanDenseInput& input : plan.dense_inputs) {
    const auto width = static_cast<size_t>(input.width);
    dense_.push_back({place(capacity(input.domain) * width, sizeof(float)), width, input.domain});
  }
  for (const PlanIdInput& input : plan.id_inputs) {
    ids_.push_back(place(capacity(input.domain) + (input.multi ? 1 : 0), sizeof(uint32_t)));
  }
  id_counts_.resize(plan.id_inputs.size());
}

Status BatchSlot::reserve_lists(size_t bytes) {
  if (bytes <= device_lists_.bytes()) return {};
  const size_t wanted = bytes + bytes / 4;  // batches differ a little
  host_lists_ = PinnedBuffer();
  device_lists_ = DeviceBuffer();
  PRERANK_ASSIGN_OR_RETURN(host_lists_, PinnedBuffer::allocate(wanted, "a batch's lists"));
  PRERANK_ASSIGN_OR_RETURN(device_lists_, DeviceBuffer::allocate(wanted, "a batch's lists"));
  return {};
}

Status BatchSlot::fill_ids(const Batch& batch) {
  size_t bytes = 0;
  for (const BatchIds& ids : batch.ids) {
    if (!ids.offsets.empty()) bytes += aligned_up(ids.ids.size_bytes()) + aligned_up(ids.weights.size_bytes());
  }
  PRERANK_RETURN_IF_ERROR(reserve_lists(bytes));
  list_bytes_ = 0;
  const auto append = [&]<class T>(std::span<const T> values) -> const T* {
    const size_t offset = list_bytes_;
    copy_span(values, reinterpret_cast<T*>(host_lists_.as<char>() + offset));
    list_bytes_ += aligned_up(values.size_bytes());
    return at<T>(device_lists_, offset);
  };
  for (size_t i = 0; i < batch.ids.size(); ++i) {
    const BatchIds& ids = batch.ids[i];
    id_counts_[i] = ids.ids.size();
    DeviceIds& entry = pinned<DeviceIds>(ids_table_)[i];
    if (ids.offsets.empty()) {
      copy_span(ids.ids, pinned<uint32_t>(ids_[i]));
      entry = {at<uint32_t>(device_, ids_[i]), nullptr, nullptr, last_bag(ids)};
      continue;
    }
    copy_span(ids.offsets, pinned<uint32_t>(ids_[i]));
    const uint32_t* const list = append(ids.ids);
    const float* const weights = ids.weights.empty() ? nullptr : append(ids.weights);
    entry = {list, at<uint32_t>(device_, ids_[i]), weights, last_bag(ids)};
  }
  return {};
}

void BatchSlot::fill_requests(const Batch& batch, const BatchSize& size) {
  uint32_t* const request_of_row = pinned<uint32_t>(request_of_row_);
  uint32_t* const offsets = pinned<uint32_t>(request_offsets_);
  copy_span(batch.request_of_row, request_of_row);
  copy_span(batch.request_offsets, offsets);
  if (batch.rows > 0) std::fill(request_of_row + batch.rows, request_of_row + size.rows, batch.request_of_row.back());
  std::fill(offsets + batch.request_offsets.size(), offsets + size.requests + 1, static_cast<uint32_t>(batch.rows));
}

Status BatchSlot::fill(const Batch& batch, const BatchSize& size, const StepNumbers& numbers) {
  *pinned<StepNumbers>(numbers_) = numbers;
  PRERANK_RETURN_IF_ERROR(fill_ids(batch));
  if (requests_) fill_requests(batch, size);
  for (size_t i = 0; i < dense_.size(); ++i) {
    const DensePiece& piece = dense_[i];
    const bool of_requests = piece.domain == Domain::kRequest;
    const size_t rows = of_requests ? batch.requests : batch.rows;
    copy_span(std::span(batch.dense[i], rows * piece.width), pinned<float>(piece.offset));
    pad_rows(pinned<float>(piece.offset), piece.width, rows, of_requests ? size.requests : size.rows);
  }
  if (tasks_ == 0) return {};
  copy_span(batch.task_mask, pinned<uint32_t>(mask_));
  std::fill(pinned<uint32_t>(mask_) + batch.rows, pinned<uint32_t>(mask_) + size.rows, 0u);
  copy_span(std::span(batch.inv_n), pinned<double>(inv_n_));
  for (size_t k = 0; k < tasks_; ++k) {
    copy_span(std::span(batch.targets[k], batch.rows), pinned<float>(targets_[k]));
    pinned<const float*>(targets_table_)[k] = at<float>(device_, targets_[k]);
  }
  *pinned<const float*>(weight_table_) = batch.weight == nullptr ? nullptr : at<float>(device_, weight_);
  if (batch.weight != nullptr) copy_span(std::span(batch.weight, batch.rows), pinned<float>(weight_));
  return {};
}

Status BatchSlot::enqueue_copy(cudaStream_t stream) const {
  PRERANK_CUDA(cudaMemcpyAsync(device_.as<void>(), host_.as<void>(), fixed_bytes_, cudaMemcpyHostToDevice, stream));
  if (list_bytes_ == 0) return {};
  PRERANK_CUDA(
      cudaMemcpyAsync(device_lists_.as<void>(), host_lists_.as<void>(), list_bytes_, cudaMemcpyHostToDevice, stream));
  return {};
}

}  // namespace prerank::cuda
