// Captured steps. A graph holds every launch of a step for one number of rows and requests; a number that is seen for the
// first time, as an epoch's last batch, is launched operation by operation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/device.h"

namespace prerank::cuda {

class StepGraphs {
 public:
  struct Key {
    size_t rows = 0, requests = 0;
    uint64_t generation = 0;  // of the memory that the launches use
    bool operator==(const Key&) const = default;
  };

  // Runs `enqueue` (a Status()), or its graph, on the stream.
  template <class Enqueue>
  Status run(const Key& key, cudaStream_t stream, Enqueue enqueue) {
    for (const Captured& captured : captured_) {
      if (captured.key == key) return replay(captured, stream);
    }
    if (!(seen_ == key)) {
      seen_ = key;
      return enqueue();
    }
    PRERANK_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    const Status enqueued = enqueue();
    return keep(key, stream, enqueued);
  }

 private:
  static constexpr size_t kKept = 4;
  struct Captured {
    Key key;
    GraphExec graph;
  };

  Status keep(const Key& key, cudaStream_t stream, const Status& enqueued);
  static Status replay(const Captured& captured, cudaStream_t stream);

  std::vector<Captured> captured_;
  Key seen_;  // of the last step that was not replayed
};

}  // namespace prerank::cuda
