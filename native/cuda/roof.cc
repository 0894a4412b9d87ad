#include "cuda/roof.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "cuda/device.h"
#include "cuda/products.h"
#include "cuda/upload.h"

namespace prerank::cuda {
namespace {

constexpr size_t kWarmUps = 2;

// The shortest of the repetitions of `work` (a Status(cudaStream_t)), in seconds.
template <class Work>
Result<double> best_seconds(size_t repetitions, Work work) {
  PRERANK_ASSIGN_OR_RETURN(const Stream stream, make_stream());
  PRERANK_ASSIGN_OR_RETURN(const Event begin, make_timed_event());
  PRERANK_ASSIGN_OR_RETURN(const Event end, make_timed_event());
  double best = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < kWarmUps + repetitions; ++i) {
    PRERANK_CUDA(cudaEventRecord(begin.get(), stream.get()));
    PRERANK_RETURN_IF_ERROR(work(stream.get()));
    PRERANK_CUDA(cudaEventRecord(end.get(), stream.get()));
    PRERANK_CUDA(cudaEventSynchronize(end.get()));
    float milliseconds = 0;
    PRERANK_CUDA(cudaEventElapsedTime(&milliseconds, begin.get(), end.get()));
    if (i >= kWarmUps) best = std::min(best, static_cast<double>(milliseconds) / 1000);
  }
  return best;
}

Result<double> copy_rate(const CudaRoofSizes& sizes) {
  PRERANK_ASSIGN_OR_RETURN(const DeviceBuffer from, DeviceBuffer::allocate(sizes.copy_bytes, "measuring copies"));
  PRERANK_ASSIGN_OR_RETURN(const DeviceBuffer to, DeviceBuffer::allocate(sizes.copy_bytes, "measuring copies"));
  {
    PRERANK_ASSIGN_OR_RETURN(const Stream stream, make_stream());
    PRERANK_CUDA(cudaMemsetAsync(from.as<void>(), 0, sizes.copy_bytes, stream.get()));
    PRERANK_CUDA(cudaStreamSynchronize(stream.get()));
  }
  PRERANK_ASSIGN_OR_RETURN(const double seconds, best_seconds(sizes.repetitions, [&](cudaStream_t stream) -> Status {
                             PRERANK_CUDA(cudaMemcpyAsync(to.as<void>(), from.as<void>(), sizes.copy_bytes,
                                                          cudaMemcpyDeviceToDevice, stream));
                             return {};
                           }));
  return 2 * static_cast<double>(sizes.copy_bytes) / seconds;
}

Result<DeviceBuffer> random_matrix(size_t size) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(size * size);
  std::ranges::generate(values, [&] { return uniform(random); });
  return upload_array(std::span<const float>(values), "measuring products");
}

Result<double> product_rate(const CudaRoofSizes& sizes, MatmulPrecision precision, const float* matrix, float* result) {
  const size_t n = sizes.product;
  PRERANK_ASSIGN_OR_RETURN(const std::shared_ptr<const Products> products, Products::create(precision));
  // As a layer multiplies: the weights are stored by output.
  const ProductProblem problem = {
      .m = n, .n = n, .k = n, .a = {matrix, n, false}, .b = {matrix, n, true}, .c = result, .c_stride = n};
  PRERANK_ASSIGN_OR_RETURN(const Product product, products->prepare(problem, nullptr));
  PRERANK_ASSIGN_OR_RETURN(const double seconds, best_seconds(sizes.repetitions, [&](cudaStream_t stream) {
                             return product.enqueue(stream);
                           }));
  const auto size = static_cast<double>(n);
  return 2 * size * size * size / seconds;
}

}  // namespace

Result<CudaRoof> measure_roof(int device, const CudaRoofSizes& sizes) {
  if (sizes.copy_bytes == 0 || sizes.product == 0 || sizes.repetitions == 0) {
    return Status(Code::kInvalidArgument, "a roof is measured over sizes above 0");
  }
  PRERANK_RETURN_IF_ERROR(use_device(device));
  CudaRoof roof;
  PRERANK_ASSIGN_OR_RETURN(roof.copy, copy_rate(sizes));
  PRERANK_ASSIGN_OR_RETURN(const DeviceBuffer matrix, random_matrix(sizes.product));
  PRERANK_ASSIGN_OR_RETURN(const DeviceBuffer result,
                           DeviceBuffer::floats(sizes.product * sizes.product, "measuring products"));
  const auto rate = [&](MatmulPrecision precision) {
    return product_rate(sizes, precision, matrix.as<float>(), result.as<float>());
  };
  PRERANK_ASSIGN_OR_RETURN(roof.float32, rate(MatmulPrecision::kFloat32));
  PRERANK_ASSIGN_OR_RETURN(roof.tf32, rate(MatmulPrecision::kTf32));
  PRERANK_ASSIGN_OR_RETURN(roof.bfloat16, rate(MatmulPrecision::kBfloat16));
  return roof;
}

}  // namespace prerank::cuda
