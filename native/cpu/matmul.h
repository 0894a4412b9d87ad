// C [m, n] = activation(A [m, k] B [k, n] + bias) or C += A B, by oneDNN, prepared for fixed sizes and any addresses.
#pragma once

#include <dnnl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/aligned_buffer.h"
#include "prerank/status.h"

namespace prerank::cpu {

enum class Activation : uint8_t { kNone, kRelu, kSigmoid, kTanh };

// Distances are in floats; rows of C are contiguous.
struct MatmulShape {
  size_t m = 0, k = 0, n = 0;
  size_t a_row = 0, a_column = 1;
  size_t b_row = 0, b_column = 1;
  size_t c_row = 0;
  bool bias = false;
  bool accumulate = false;
  Activation activation = Activation::kNone;
};

template <auto kDestroy>
struct DnnlDeleter {
  template <class T>
  void operator()(T* object) const {
    kDestroy(object);
  }
};
template <class T, auto kDestroy>
using DnnlHandle = std::unique_ptr<std::remove_pointer_t<T>, DnnlDeleter<kDestroy>>;

class Matmul {
 public:
  // `layer` is for error messages. run() may be called with worker < workers, by different threads for different
  // workers.
  static Result<Matmul> create(const MatmulShape& shape, size_t workers, const std::string& layer);

  // A failure inside oneDNN (it allocates a little) fills C with NaN, which the step reports as a non-finite loss.
  void run(size_t worker, const float* a, const float* b, const float* bias, float* c) const;

 private:
  using Memory = DnnlHandle<dnnl_memory_t, dnnl_memory_destroy>;
  struct Worker {
    DnnlHandle<dnnl_stream_t, dnnl_stream_destroy> stream;
    Memory a, b, bias, c, scratchpad;
    AlignedBuffer scratch;
  };

  Status build_primitive(const std::string& layer);
  Result<Worker> build_worker(const std::string& layer) const;

  MatmulShape shape_;
  DnnlHandle<dnnl_engine_t, dnnl_engine_destroy> engine_;
  DnnlHandle<dnnl_primitive_t, dnnl_primitive_destroy> primitive_;
  dnnl_memory_desc_t a_ = {}, b_ = {}, bias_ = {}, c_ = {}, scratchpad_ = {};
  std::vector<Worker> workers_;
};

// The pieces a tile is cut into for oneDNN: `pieces` of at least 16 rows, largest first, without repeats. What is left
// of a tile below the smallest piece is for simd/linear.cc.
std::vector<size_t> matmul_pieces(std::span<const size_t> pieces);

}  // namespace prerank::cpu
