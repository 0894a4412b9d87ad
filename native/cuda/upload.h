// Small things of the host, written to the device.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "cuda/device.h"
#include "prerank/status.h"

namespace prerank::cuda {

// to[i] = words[i], in the stream's order, by a kernel's arguments: no copy that the host would have to wait for.
Status enqueue_upload(cudaStream_t stream, std::span<const uint64_t> words, uint64_t* to);

// An array's copy on the device, there when the call returns; `what` names it in errors.
template <class T>
Result<DeviceBuffer> upload_array(std::span<const T> values, const std::string& what) {
  PRERANK_ASSIGN_OR_RETURN(DeviceBuffer buffer, DeviceBuffer::allocate(values.size_bytes(), what));
  PRERANK_ASSIGN_OR_RETURN(const Stream stream, make_stream());
  if (!values.empty()) {
    PRERANK_CUDA(
        cudaMemcpyAsync(buffer.as<void>(), values.data(), values.size_bytes(), cudaMemcpyHostToDevice, stream.get()));
  }
  PRERANK_CUDA(cudaStreamSynchronize(stream.get()));
  return Result<DeviceBuffer>(std::move(buffer));
}

}  // namespace prerank::cuda
