// The launches behind a table index: ids listed with their table rows as keys, then sorted.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "cuda/kernel.h"

namespace prerank::cuda {

// Where an entry's gradient is: id input << bits of a bag | bag.
struct alignas(8) WeightedSource {
  uint32_t source;
  float coefficient;
};

// An id input whose ids are listed; on the device.
struct IndexedInput {
  uint64_t first_key;  // of its table's row 0
  uint32_t input;      // in Plan::id_inputs
  uint32_t multi;
  uint32_t mean;
  uint32_t requests;  // 1: its domain are the requests
};

// What sorted entries consist of.
struct EntryShape {
  bool wide = false;      // keys of 64 bits, else 32
  bool weighted = false;  // WeightedSource, else uint32_t with coefficient 1
  int key_bits = 1;       // that keys may have set
  int bag_bits = 0;

  size_t key_bytes() const { return wide ? sizeof(uint64_t) : sizeof(uint32_t); }
  size_t source_bytes() const { return weighted ? sizeof(WeightedSource) : sizeof(uint32_t); }
};

struct EntryBuffers {
  void* keys = nullptr;
  void* sources = nullptr;
  void* sorted_keys = nullptr;
  void* sorted_sources = nullptr;
};

// A batch's ids on the device.
struct ListedIds {
  const IndexedInput* inputs = nullptr;
  size_t count = 0;  // of inputs
  const uint64_t* first_entries = nullptr;
  const DeviceIds* ids = nullptr;
  size_t rows = 0, requests = 0;
  bool lists = false;  // any of the inputs
};

// Fills keys and sources, in (input, bag, position) order.
Status enqueue_list(cudaStream_t stream, const EntryShape& shape, const ListedIds& ids, const EntryBuffers& buffers);

// Bytes of temporary memory that enqueue_sort takes for so many entries.
Result<size_t> sort_bytes(const EntryShape& shape, uint32_t count);
// Sorts stably by key.
Status enqueue_sort(cudaStream_t stream, const EntryShape& shape, uint32_t count, const EntryBuffers& buffers,
                    void* temporary, size_t bytes);

}  // namespace prerank::cuda
