#include "cuda/row_cache.h"

#include <algorithm>
#include <limits>
#include <string>
#include <tuple>
#include <utility>

#include "cuda/cache_passes.h"
#include "cuda/upload.h"

namespace prerank::cuda {
namespace {

constexpr const char* kCacheMemory = "the cache of rows of tables in the host's memory";

auto row_layout(const HostTable& table) {
  return std::tuple(table.weight_bytes, table.state0_bytes, table.state1_bytes);
}

// What a slot takes, with its stamp and its owner.
size_t slot_bytes(const HostTable& table) {
  return table.weight_bytes + table.state0_bytes + table.state1_bytes + sizeof(uint32_t) + sizeof(SlotOwner);
}

size_t rows_of(std::span<const HostTable> tables) {
  size_t rows = 0;
  for (const HostTable& table : tables) rows += table.rows;
  return rows;
}

// Tables of one layout, from the first on.
std::span<const HostTable> same_layout(std::span<const HostTable> tables) {
  const auto other = [&](const HostTable& table) { return row_layout(table) != row_layout(tables.front()); };
  return tables.first(static_cast<size_t>(std::ranges::find_if(tables, other) - tables.begin()));
}

}  // namespace

Result<RowCache> RowCache::create(std::vector<HostTable> tables, size_t parameters) {
  RowCache cache;
  std::ranges::stable_sort(tables, {}, row_layout);
  cache.tables_ = std::move(tables);
  cache.descriptors_.resize(parameters);
  for (const HostTable& table : cache.tables_) cache.descriptors_[table.parameter].in_host = table.arrays;
  PRERANK_ASSIGN_OR_RETURN(cache.device_descriptors_,
                           upload_array(std::span<const CachedTable>(cache.descriptors_), kCacheMemory));
  return cache;
}

size_t RowCache::least_bytes() const { return rows_of(tables_) * sizeof(uint32_t); }

size_t RowCache::most_bytes() const {
  size_t bytes = least_bytes();
  for (const HostTable& table : tables_) bytes += table.rows * slot_bytes(table);
  return bytes;
}

const CachedTable* RowCache::table(size_t parameter) const {
  const bool is_host = descriptors_[parameter].in_host.weights != nullptr;
  return is_host ? device_descriptors_.as<CachedTable>() + parameter : nullptr;
}

Status RowCache::open(size_t bytes) {
  if (bytes <= least_bytes()) {
    return {Code::kInvalidArgument, std::string(kCacheMemory) + " needs more than " + std::to_string(least_bytes()) +
                                        " bytes, which the numbers of slots take, and got " + std::to_string(bytes)};
  }
  PRERANK_ASSIGN_OR_RETURN(const Stream stream, make_stream());
  const double share = static_cast<double>(bytes - least_bytes()) / static_cast<double>(most_bytes() - least_bytes());
  for (std::span<const HostTable> left = tables_; !left.empty();) {
    const std::span<const HostTable> tables = same_layout(left);
    const size_t rows = std::min(rows_of(tables), size_t{kNoSlot - 1});
    const double slots = share * static_cast<double>(rows_of(tables));
    const size_t capacity = share >= 1 ? rows : std::clamp(static_cast<size_t>(slots), size_t{1}, rows);
    PRERANK_RETURN_IF_ERROR(open_pool(stream.get(), tables, capacity));
    left = left.subspan(tables.size());
  }
  PRERANK_CUDA(cudaMemcpyAsync(device_descriptors_.as<void>(), descriptors_.data(),
                               descriptors_.size() * sizeof(CachedTable), cudaMemcpyHostToDevice, stream.get()));
  PRERANK_CUDA(cudaStreamSynchronize(stream.get()));
  return {};
}

Result<void*> RowCache::allocate(cudaStream_t stream, size_t bytes, int value) {
  if (bytes == 0) return nullptr;
  PRERANK_ASSIGN_OR_RETURN(DeviceBuffer buffer, DeviceBuffer::allocate(bytes, kCacheMemory));
  PRERANK_CUDA(cudaMemsetAsync(buffer.as<void>(), value, bytes, stream));
  memory_.push_back(std::move(buffer));
  return memory_.back().as<void>();
}

Status RowCache::open_pool(cudaStream_t stream, std::span<const HostTable> tables, size_t capacity) {
  const HostTable& like = tables.front();
  const auto take = [&]<class T>(T*& to, size_t size, int value = 0) -> Status {
    PRERANK_ASSIGN_OR_RETURN(void* const memory, allocate(stream, size, value));
    to = static_cast<T*>(memory);
    return {};
  };
  SlotPool pool = {.number = static_cast<uint32_t>(pools_.size()),
                   .capacity = static_cast<uint32_t>(capacity),
                   .weight_bytes = static_cast<uint32_t>(like.weight_bytes),
                   .state0_bytes = static_cast<uint32_t>(like.state0_bytes),
                   .state1_bytes = static_cast<uint32_t>(like.state1_bytes),
                   .tables = device_descriptors_.as<CachedTable>()};
  RowArrays arrays;
  PRERANK_RETURN_IF_ERROR(take(arrays.weights, capacity * like.weight_bytes));
  PRERANK_RETURN_IF_ERROR(take(arrays.state0, capacity * like.state0_bytes));
  PRERANK_RETURN_IF_ERROR(take(arrays.state1, capacity * like.state1_bytes));
  PRERANK_RETURN_IF_ERROR(take(pool.state, sizeof(CacheState)));
  PRERANK_RETURN_IF_ERROR(take(pool.stamps, capacity * sizeof(uint32_t)));
  PRERANK_RETURN_IF_ERROR(take(pool.owners, capacity * sizeof(SlotOwner), 0xff));
  PRERANK_RETURN_IF_ERROR(take(pool.ages, kAges * sizeof(uint32_t)));
  PRERANK_RETURN_IF_ERROR(take(pool.idle, (capacity + kLookedSlots - 1) / kLookedSlots * sizeof(IdleSlots)));
  for (const HostTable& table : tables) {
    CachedTable& descriptor = descriptors_[table.parameter];
    descriptor.pool = pool.number;
    descriptor.in_slots = arrays;
    PRERANK_RETURN_IF_ERROR(take(descriptor.slots, table.rows * sizeof(uint32_t), 0xff));
  }
  pools_.push_back(pool);
  return {};
}

size_t RowCache::bytes() const {
  size_t bytes = device_descriptors_.bytes();
  for (const DeviceBuffer& buffer : memory_) bytes += buffer.bytes();
  return bytes;
}

Result<HostRows> RowCache::counts() const {
  HostRows sum;
  PRERANK_ASSIGN_OR_RETURN(const Stream stream, make_stream());
  for (const SlotPool& pool : pools_) {
    CacheState state;
    PRERANK_CUDA(cudaMemcpyAsync(&state, pool.state, sizeof state, cudaMemcpyDeviceToHost, stream.get()));
    PRERANK_CUDA(cudaStreamSynchronize(stream.get()));
    sum += state.counts;
  }
  return sum;
}

Status RowCache::flush(cudaStream_t stream) const {
  for (const SlotPool& pool : pools_) PRERANK_RETURN_IF_ERROR(enqueue_flush(stream, pool));
  PRERANK_CUDA(cudaStreamSynchronize(stream));
  return {};
}

Status RowCache::empty(cudaStream_t stream) const {
  PRERANK_RETURN_IF_ERROR(flush(stream));
  for (const SlotPool& pool : pools_) PRERANK_RETURN_IF_ERROR(enqueue_reset(stream, pool));
  PRERANK_CUDA(cudaStreamSynchronize(stream));
  return {};
}

}  // namespace prerank::cuda
