// Memory of the device that batches need more of now and then.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cuda/device.h"

namespace prerank::cuda {

// Room for `count` of T at least, half as much again as there was. `generation` goes up when the address changes, also
// when there is no memory for it.
template <class T>
Status grow_buffer(cudaStream_t stream, DeviceBuffer& buffer, size_t count, const char* what, uint64_t& generation) {
  const size_t bytes = count * sizeof(T);
  if (bytes <= buffer.bytes()) return {};
  const size_t grown = std::max(bytes, buffer.bytes() + buffer.bytes() / 2);
  // What was launched before may still use the old memory.
  PRERANK_CUDA(cudaStreamSynchronize(stream));
  ++generation;
  buffer = DeviceBuffer();
  PRERANK_ASSIGN_OR_RETURN(buffer, DeviceBuffer::allocate(grown, what));
  return {};
}

}  // namespace prerank::cuda
