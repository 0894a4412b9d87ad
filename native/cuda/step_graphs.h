// Captured steps: a graph holds every launch of a step for one size of batches. The first step of a size is launched
// operation by operation: it may be the only one, and products choose their algorithms meanwhile. The second is
// captured, and it and all further ones are replayed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/device.h"
#include "cuda/padded_size.h"

namespace prerank::cuda {

class StepGraphs {
 public:
  // Runs `enqueue` (a Status()), or its graph, on the stream, which must be done with the graphs' earlier steps.
  // generation: of the memory that the launches use; graphs of another one are dropped.
  template <class Enqueue>
  Status run(const BatchSize& size, uint64_t generation, cudaStream_t stream, Enqueue enqueue) {
    drop_others(generation);
    if (!take_up(size)) {
      PRERANK_RETURN_IF_ERROR(enqueue());
      remember(size);
      return {};
    }
    if (!last().graph) {
      PRERANK_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
      const Status enqueued = enqueue();
      PRERANK_RETURN_IF_ERROR(keep(stream, enqueued));
    }
    PRERANK_CUDA(cudaGraphLaunch(last().graph.get(), stream));
    return {};
  }

 private:
  static constexpr size_t kKept = 16;  // sizes: the least recently used makes room
  struct Captured {
    BatchSize size;
    GraphExec graph;  // null: seen once, or dropped since
  };

  Captured& last() { return captured_.back(); }
  void drop_others(uint64_t generation);
  // Makes a size that was seen before the last; false for one that was not.
  bool take_up(const BatchSize& size);
  void remember(const BatchSize& size);
  // Ends the capture and keeps its graph as that of the last size.
  Status keep(cudaStream_t stream, const Status& enqueued);

  std::vector<Captured> captured_;  // the most recently used last
  uint64_t generation_ = 0;
};

}  // namespace prerank::cuda
