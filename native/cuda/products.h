// Matrix products of the dense layers, through cuBLASLt. Everything here is row-major; cuBLASLt is column-major and is given
// the transposed problem.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cuda/cublaslt.h"
#include "cuda/device.h"
#include "cuda/tuning.h"
#include "prerank/program.h"

namespace prerank::cuda {

struct ProductOperand {
  const float* data = nullptr;
  size_t stride = 0;        // floats between its rows in memory
  bool transposed = false;  // its memory holds the transpose
  bool operator==(const ProductOperand&) const = default;
};

// A bit for each element of a matrix, as cuBLASLt writes and reads them: nothing else does. Aligned as whole
// allocations are.
struct ReluMask {
  static constexpr size_t kStep = 128;  // bits: strides are multiples
  uint8_t* data = nullptr;
  size_t stride = 0;  // bits between rows
  bool operator==(const ReluMask&) const = default;
};

// C [m, n] = A [m, k] B [k, n] (+ C) (+ bias) (then max(., 0)). With `relu` a mask is written: what was above 0.
// Without, C is 0 where the mask is, and `sums` are the sums of its columns.
struct ProductProblem {
  size_t m = 0, n = 0, k = 0;
  ProductOperand a, b;
  float* c = nullptr;
  size_t c_stride = 0;
  bool accumulate = false;
  const float* bias = nullptr;  // [n], or null
  bool relu = false;
  ReluMask mask = {};
  float* sums = nullptr;  // [n], or null
  bool operator==(const ProductProblem&) const = default;
};

class Products;

// A problem with its algorithm. Addresses are fixed.
class Product {
 public:
  Product(Product&& other) noexcept;
  Product& operator=(Product&&) = delete;
  ~Product();
  Status enqueue(cudaStream_t stream) const;
  const ProductProblem& problem() const { return problem_; }

 private:
  friend class Products;
  explicit Product(std::shared_ptr<const Products> owner) : owner_(std::move(owner)) {}
  Status describe(const ProductProblem& problem, cudaStream_t stream);
  Status choose_algorithm(cublasLtEpilogue_t epilogue, cudaStream_t stream);
  // The heuristic's candidates, the best first; at least one.
  Result<std::vector<cublasLtMatmulHeuristicResult_t>> candidates(int most) const;
  // Uses the algorithm that was kept, or fails.
  Status use(const cublasLtMatmulAlgo_t& kept, const std::string& name);
  // The fastest of them on the stream.
  Result<cublasLtMatmulAlgo_t> fastest(std::span<const cublasLtMatmulHeuristicResult_t> found,
                                       cudaStream_t stream) const;
  Status launch(const cublasLtMatmulAlgo_t& algorithm, float* c, cudaStream_t stream) const;

  std::shared_ptr<const Products> owner_;
  cublasLtMatmulDesc_t desc_ = nullptr;
  cublasLtMatrixLayout_t a_ = nullptr, b_ = nullptr, c_ = nullptr;
  cublasLtMatmulAlgo_t algorithm_ = {};
  ProductProblem problem_;
};

// cuBLASLt's handle and workspace, for products of one stream after another.
class Products : public std::enable_shared_from_this<Products> {
 public:
  // tuning: where chosen algorithms are kept; null: the heuristic's first.
  static Result<std::shared_ptr<Products>> create(MatmulPrecision precision, std::shared_ptr<Tuning> tuning = nullptr);
  Products() = default;
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;
  ~Products();

  // No dimension may be 0. A product to be tuned is timed on the stream: its result is overwritten, or left where it
  // accumulates. kUnsupported where cuBLASLt has no algorithm, as for some problems with masks.
  Result<Product> prepare(const ProductProblem& problem, cudaStream_t stream) const;
  MatmulPrecision precision() const { return precision_; }
  size_t bytes() const { return workspace_.bytes(); }

 private:
  friend class Product;
  const CublasLt* api_ = nullptr;
  cublasLtHandle_t handle_ = nullptr;
  DeviceBuffer workspace_;
  std::shared_ptr<Tuning> tuning_;
  MatmulPrecision precision_ = MatmulPrecision::kFloat32;
  cublasComputeType_t compute_ = CUBLAS_COMPUTE_32F;
};

// One layer's products: for the sizes that its batches have (nearly always few), in each place of the batch ring.
class LayerProducts {
 public:
  explicit LayerProducts(std::shared_ptr<const Products> products) : products_(std::move(products)) {}

  Status enqueue(const ProductProblem& problem, cudaStream_t stream);
  // False, and nothing is enqueued, where cuBLASLt has no algorithm.
  Result<bool> try_enqueue(const ProductProblem& problem, cudaStream_t stream);

 private:
  static constexpr size_t kKept = 32;
  std::shared_ptr<const Products> products_;
  std::vector<Product> prepared_;
  std::vector<ProductProblem> refused_;
};

}  // namespace prerank::cuda
