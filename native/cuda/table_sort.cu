#include "cuda/table_sort.h"

#include <algorithm>

#include <cub/device/device_radix_sort.cuh>

#include "cuda/launch.h"

namespace prerank::cuda {
namespace {

constexpr uint32_t kListLanes = 8;  // threads that share a list: neighbours write neighbouring entries

__device__ void set_source(uint32_t& to, uint32_t source, float) { to = source; }
__device__ void set_source(WeightedSource& to, uint32_t source, float coefficient) { to = {source, coefficient}; }

template <class Key, class Source>
__device__ void list_bag(const IndexedInput& input, const DeviceIds& ids, uint32_t source, size_t bag, uint32_t lane,
                         uint32_t lanes, Key* keys, Source* sources) {
  const size_t begin = ids.offsets == nullptr ? bag : ids.offsets[bag];
  const size_t end = ids.offsets == nullptr ? bag + 1 : ids.offsets[bag + 1];
  const float scale = input.mean != 0 && end > begin ? 1.0f / static_cast<float>(end - begin) : 1.0f;
  for (size_t i = begin + lane; i < end; i += lanes) {
    keys[i] = static_cast<Key>(input.first_key + ids.ids[i]);
    set_source(sources[i], source, ids.weights == nullptr ? scale : scale * ids.weights[i]);
  }
}

// `blocks` blocks for each input. Reads an id (and offsets, weights), writes a key and a source.
template <class Key, class Source>
__global__ void list_entries(ListedIds listed, unsigned int blocks, int bag_bits, Key* keys, Source* sources) {
  const unsigned int number = blockIdx.x / blocks;
  const IndexedInput input = listed.inputs[number];
  const DeviceIds ids = listed.ids[input.input];
  const uint64_t first_entry = listed.first_entries[number];
  const size_t bags = input.requests != 0 ? listed.requests : listed.rows;
  const uint32_t lanes = input.multi != 0 ? kListLanes : 1;
  const size_t thread = size_t{blockIdx.x % blocks} * blockDim.x + threadIdx.x;
  const size_t stride = size_t{blocks} * blockDim.x / lanes;
  const auto lane = static_cast<uint32_t>(thread % lanes);
  for (size_t bag = thread / lanes; bag < bags; bag += stride) {
    const uint32_t source = static_cast<uint32_t>(uint64_t{input.input} << bag_bits) | static_cast<uint32_t>(bag);
    list_bag(input, ids, source, bag, lane, lanes, keys + first_entry, sources + first_entry);
  }
}

template <class Key, class Source>
cudaError_t sort_entries(void* temporary, size_t& bytes, const EntryBuffers& buffers, uint32_t count, int bits,
                         cudaStream_t stream) {
  return cub::DeviceRadixSort::SortPairs(temporary, bytes, static_cast<const Key*>(buffers.keys),
                                         static_cast<Key*>(buffers.sorted_keys),
                                         static_cast<const Source*>(buffers.sources),
                                         static_cast<Source*>(buffers.sorted_sources), count, 0, bits, stream);
}

cudaError_t sort_any(void* temporary, size_t& bytes, const EntryShape& shape, const EntryBuffers& buffers,
                     uint32_t count, cudaStream_t stream) {
  const int bits = shape.key_bits;
  if (shape.wide) {
    return shape.weighted ? sort_entries<uint64_t, WeightedSource>(temporary, bytes, buffers, count, bits, stream)
                          : sort_entries<uint64_t, uint32_t>(temporary, bytes, buffers, count, bits, stream);
  }
  return shape.weighted ? sort_entries<uint32_t, WeightedSource>(temporary, bytes, buffers, count, bits, stream)
                        : sort_entries<uint32_t, uint32_t>(temporary, bytes, buffers, count, bits, stream);
}

template <class Key, class Source>
Status list_as(cudaStream_t stream, const ListedIds& ids, unsigned int blocks, int bag_bits,
               const EntryBuffers& buffers) {
  return launch(stream, blocks * static_cast<unsigned int>(ids.count), kBlockThreads, list_entries<Key, Source>, ids,
                blocks, bag_bits, static_cast<Key*>(buffers.keys), static_cast<Source*>(buffers.sources));
}

}  // namespace

Status enqueue_list(cudaStream_t stream, const EntryShape& shape, const ListedIds& ids, const EntryBuffers& buffers) {
  const size_t bags = std::max(ids.rows, ids.requests);
  if (ids.count == 0 || bags == 0) return {};
  const unsigned int blocks = blocks_for(bags * (ids.lists ? kListLanes : 1));
  if (shape.wide) {
    return shape.weighted ? list_as<uint64_t, WeightedSource>(stream, ids, blocks, shape.bag_bits, buffers)
                          : list_as<uint64_t, uint32_t>(stream, ids, blocks, shape.bag_bits, buffers);
  }
  return shape.weighted ? list_as<uint32_t, WeightedSource>(stream, ids, blocks, shape.bag_bits, buffers)
                        : list_as<uint32_t, uint32_t>(stream, ids, blocks, shape.bag_bits, buffers);
}

Result<size_t> sort_bytes(const EntryShape& shape, uint32_t count) {
  size_t bytes = 0;
  PRERANK_CUDA(sort_any(nullptr, bytes, shape, {}, count, nullptr));
  return bytes;
}

Status enqueue_sort(cudaStream_t stream, const EntryShape& shape, uint32_t count, const EntryBuffers& buffers,
                    void* temporary, size_t bytes) {
  if (count == 0) return {};
  PRERANK_CUDA(sort_any(temporary, bytes, shape, buffers, count, stream));
  return {};
}

}  // namespace prerank::cuda
