// Memory of a kernel's own for each worker.
#pragma once

#include <vector>

#include "base/aligned_buffer.h"

namespace prerank::cpu {

class Scratch {
 public:
  static Result<Scratch> create(size_t floats, size_t workers) {
    Scratch scratch;
    for (size_t i = 0; i < workers; ++i) {
      PRERANK_ASSIGN_OR_RETURN(AlignedBuffer buffer, AlignedBuffer::floats(floats));
      scratch.buffers_.push_back(std::move(buffer));
    }
    return scratch;
  }

  float* of(size_t worker) const { return buffers_[worker].as<float>().data(); }

 private:
  std::vector<AlignedBuffer> buffers_;
};

}  // namespace prerank::cpu
