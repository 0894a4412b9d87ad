#include "cuda/memory.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

namespace prerank::cuda {
namespace {

constexpr size_t kAlignedRows = 64;  // offsets in the tile arena are multiples of 256 bytes

size_t product(size_t a, size_t b) {
  size_t result = 0;
  return __builtin_mul_overflow(a, b, &result) ? std::numeric_limits<size_t>::max() / 8 : result;
}

size_t tile_rows(const BatchLimits& limits) {
  return (std::max(limits.rows, limits.requests) + kAlignedRows - 1) / kAlignedRows * kAlignedRows;
}

bool owns_rows(const Plan& plan, size_t i) {
  return plan.values[i].storage == Storage::kFull && plan.values[i].root == static_cast<int32_t>(i);
}

size_t capacity_of(const PlanValue& value, const BatchLimits& limits) {
  return value.domain == Domain::kRequest ? limits.requests : limits.rows;
}

struct Need {
  std::string what;
  size_t bytes = 0;
};

std::vector<Need> needs(const Plan& plan, const BatchLimits& limits, size_t cache_bytes) {
  std::vector<Need> list;
  const auto floats = [&](std::string what, size_t count) { list.push_back({std::move(what), product(count, sizeof(float))}); };
  floats("activations (" + std::to_string(plan.tile_floats) + " floats a row)",
         product(static_cast<size_t>(plan.tile_floats), tile_rows(limits)));
  size_t kept = 0;
  for (size_t i = 0; i < plan.values.size(); ++i) {
    if (owns_rows(plan, i)) kept += product(static_cast<size_t>(plan.values[i].stride), capacity_of(plan.values[i], limits));
  }
  floats("values kept for the whole batch", kept);
  floats("gradients of dense parameters", static_cast<size_t>(plan.accumulator_floats));
  floats("values without rows", static_cast<size_t>(plan.none_floats));
  if (cache_bytes > 0) list.push_back({"rows of tables in the host's memory (training.hostTableCache)", cache_bytes});
  return list;
}

std::string mebibytes_text(size_t bytes) { return std::to_string((bytes + (size_t{1} << 20) - 1) >> 20) + " MiB"; }

// A line for each thing that a program needs, the largest first.
Status check_room(std::vector<Need> list, const BatchLimits& limits, bool has_cache) {
  size_t free = 0, total = 0, sum = 0;
  PRERANK_CUDA(cudaMemGetInfo(&free, &total));
  for (const Need& need : list) sum += need.bytes;
  if (sum <= free) return {};
  std::ranges::sort(list, std::ranges::greater(), &Need::bytes);
  std::string text = "a program for batches of " + std::to_string(limits.rows) + " rows needs " + mebibytes_text(sum) +
                     " of the device's memory besides the parameters, " + mebibytes_text(free) + " of " +
                     mebibytes_text(total) + " are free:";
  for (const Need& need : list) text += "\n  " + mebibytes_text(need.bytes) + "  " + need.what;
  const char* const advice = has_cache ? "\nuse a smaller training.hostTableCache or training.batchSize"
                                       : "\nuse a smaller training.batchSize";
  return {Code::kOutOfMemory, text + advice};
}

}  // namespace

Result<DeviceMemory> DeviceMemory::create(const Plan& plan, const ParameterStore& store, const DeviceStore& tensors,
                                          const BatchLimits& limits) {
  const bool opens_cache = !plan.tasks.empty() && store.options().training;
  const size_t cache_bytes = opens_cache ? tensors.wanted_cache_bytes() : 0;
  PRERANK_RETURN_IF_ERROR(check_room(needs(plan, limits, cache_bytes), limits, cache_bytes > 0));
  DeviceMemory memory;
  const size_t rows = tile_rows(limits);
  memory.accumulator_floats_ = static_cast<size_t>(plan.accumulator_floats);
  PRERANK_ASSIGN_OR_RETURN(memory.tiles_,
                           DeviceBuffer::floats(product(static_cast<size_t>(plan.tile_floats), rows), "activations"));
  PRERANK_ASSIGN_OR_RETURN(memory.none_,
                           DeviceBuffer::floats(static_cast<size_t>(plan.none_floats), "values without rows"));
  PRERANK_ASSIGN_OR_RETURN(memory.accumulators_, DeviceBuffer::floats(memory.accumulator_floats_, "gradients"));
  memory.base_.assign(plan.values.size(), nullptr);
  for (size_t i = 0; i < plan.values.size(); ++i) {
    const PlanValue& v = plan.values[i];
    if (!owns_rows(plan, i)) continue;
    PRERANK_ASSIGN_OR_RETURN(
        DeviceBuffer full,
        DeviceBuffer::floats(product(static_cast<size_t>(v.stride), capacity_of(v, limits)), "value " + v.name));
    memory.base_[i] = full.as<float>();
    memory.full_.push_back(std::move(full));
  }
  for (size_t i = 0; i < plan.values.size(); ++i) {
    const PlanValue& v = plan.values[i];
    float*& address = memory.base_[i];
    switch (v.storage) {
      case Storage::kTile:
        address = memory.tiles_.as<float>() + static_cast<size_t>(v.offset) * rows + v.column;
        break;
      case Storage::kFull:
        address = memory.base_[static_cast<size_t>(v.root)] + v.column;
        break;
      case Storage::kNone:
        address = memory.none_.as<float>() + v.offset + v.column;
        break;
      case Storage::kGrad:
        address = memory.accumulators() + v.offset + v.column;
        break;
      case Storage::kParam: {
        PRERANK_ASSIGN_OR_RETURN(const size_t parameter,
                                 store.find(plan.parameters[static_cast<size_t>(v.binding)].name));
        address = tensors.weights(parameter) + v.column;
        break;
      }
      case Storage::kInput:
        break;
    }
  }
  return memory;
}

size_t DeviceMemory::bytes() const {
  size_t total = tiles_.bytes() + none_.bytes() + accumulators_.bytes();
  for (const DeviceBuffer& buffer : full_) total += buffer.bytes();
  return total;
}

}  // namespace prerank::cuda
