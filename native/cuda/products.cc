#include "cuda/products.h"

#include <algorithm>
#include <utility>

namespace prerank::cuda {
namespace {

constexpr size_t kWorkspaceBytes = size_t{32} << 20;  // what cuBLAS recommends for Hopper

cublasComputeType_t compute_type(MatmulPrecision precision) {
  switch (precision) {
    case MatmulPrecision::kFloat32: return CUBLAS_COMPUTE_32F;
    case MatmulPrecision::kTf32: return CUBLAS_COMPUTE_32F_FAST_TF32;
    case MatmulPrecision::kBfloat16: return CUBLAS_COMPUTE_32F_FAST_16BF;
  }
  return CUBLAS_COMPUTE_32F;
}

cublasLtEpilogue_t epilogue_of(const ProductProblem& problem) {
  const bool masked = problem.mask.data != nullptr, biased = problem.bias != nullptr;
  if (problem.relu) {
    if (masked) return biased ? CUBLASLT_EPILOGUE_RELU_AUX_BIAS : CUBLASLT_EPILOGUE_RELU_AUX;
    return biased ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU;
  }
  if (masked) return problem.sums != nullptr ? CUBLASLT_EPILOGUE_DRELU_BGRAD : CUBLASLT_EPILOGUE_DRELU;
  return biased ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
}

}  // namespace

Result<std::shared_ptr<Products>> Products::create(MatmulPrecision precision, std::shared_ptr<Tuning> tuning) {
  auto products = std::make_shared<Products>();
  products->tuning_ = std::move(tuning);
  PRERANK_ASSIGN_OR_RETURN(products->api_, CublasLt::open());
  PRERANK_RETURN_IF_ERROR(products->api_->check(products->api_->create(&products->handle_), "cublasLtCreate"));
  PRERANK_ASSIGN_OR_RETURN(products->workspace_, DeviceBuffer::allocate(kWorkspaceBytes, "the workspace of products"));
  products->precision_ = precision;
  products->compute_ = compute_type(precision);
  return products;
}

Products::~Products() {
  if (handle_ != nullptr) (void)api_->destroy(handle_);
}

Result<Product> Products::prepare(const ProductProblem& problem, cudaStream_t stream) const {
  Product product(shared_from_this());
  PRERANK_RETURN_IF_ERROR(product.describe(problem, stream));
  return product;
}

Product::Product(Product&& other) noexcept
    : owner_(std::move(other.owner_)),
      desc_(std::exchange(other.desc_, nullptr)),
      a_(std::exchange(other.a_, nullptr)),
      b_(std::exchange(other.b_, nullptr)),
      c_(std::exchange(other.c_, nullptr)),
      algorithm_(other.algorithm_),
      problem_(other.problem_) {}

Product::~Product() {
  if (owner_ == nullptr) return;
  const CublasLt& api = *owner_->api_;
  if (desc_ != nullptr) (void)api.desc_destroy(desc_);
  for (const cublasLtMatrixLayout_t layout : {a_, b_, c_}) {
    if (layout != nullptr) (void)api.layout_destroy(layout);
  }
}

// The transpose of C = A B is C' = B' A': our B comes first there, and a row-major matrix is its transpose already.
Status Product::describe(const ProductProblem& problem, cudaStream_t stream) {
  const CublasLt& api = *owner_->api_;
  problem_ = problem;
  PRERANK_RETURN_IF_ERROR(api.check(api.desc_create(&desc_, owner_->compute_, CUDA_R_32F), "cublasLtMatmulDescCreate"));
  const auto set = [&](cublasLtMatmulDescAttributes_t attribute, const auto& value) {
    return api.check(api.desc_set(desc_, attribute, &value, sizeof value), "cublasLtMatmulDescSetAttribute");
  };
  const cublasOperation_t first = problem.b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasOperation_t second = problem.a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  PRERANK_RETURN_IF_ERROR(set(CUBLASLT_MATMUL_DESC_TRANSA, first));
  PRERANK_RETURN_IF_ERROR(set(CUBLASLT_MATMUL_DESC_TRANSB, second));
  PRERANK_RETURN_IF_ERROR(set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue_of(problem)));
  if (problem.bias != nullptr) PRERANK_RETURN_IF_ERROR(set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, problem.bias));
  if (problem.sums != nullptr) PRERANK_RETURN_IF_ERROR(set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, problem.sums));
  if (problem.mask.data != nullptr) {
    const auto stride = static_cast<int64_t>(problem.mask.stride);
    PRERANK_RETURN_IF_ERROR(set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, problem.mask.data));
    PRERANK_RETURN_IF_ERROR(set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, stride));
  }

  const auto layout = [&](cublasLtMatrixLayout_t& into, size_t rows, size_t columns, size_t stride) {
    return api.check(api.layout_create(&into, CUDA_R_32F, columns, rows, static_cast<int64_t>(stride)),
                     "cublasLtMatrixLayoutCreate");
  };
  const auto operand = [&](cublasLtMatrixLayout_t& into, const ProductOperand& of, size_t rows, size_t columns) {
    return of.transposed ? layout(into, columns, rows, of.stride) : layout(into, rows, columns, of.stride);
  };
  PRERANK_RETURN_IF_ERROR(operand(a_, problem.b, problem.k, problem.n));
  PRERANK_RETURN_IF_ERROR(operand(b_, problem.a, problem.m, problem.k));
  PRERANK_RETURN_IF_ERROR(layout(c_, problem.m, problem.n, problem.c_stride));

  return choose_algorithm(epilogue_of(problem), stream);
}

Status Product::enqueue(cudaStream_t stream) const { return launch(algorithm_, problem_.c, stream); }

Status Product::launch(const cublasLtMatmulAlgo_t& algorithm, float* c, cudaStream_t stream) const {
  const Products& owner = *owner_;
  const float alpha = 1, beta = problem_.accumulate ? 1.0f : 0.0f;
  return owner.api_->check(
      owner.api_->matmul(owner.handle_, desc_, &alpha, problem_.b.data, a_, problem_.a.data, b_, &beta, c, c_, c, c_,
                         &algorithm, owner.workspace_.as<void>(), owner.workspace_.bytes(), stream),
      "cublasLtMatmul");
}

Result<bool> LayerProducts::try_enqueue(const ProductProblem& problem, cudaStream_t stream) {
  if (std::ranges::find(refused_, problem) != refused_.end()) return false;
  const Status enqueued = enqueue(problem, stream);
  if (enqueued.code() != Code::kUnsupported) return enqueued.ok() ? Result<bool>(true) : Result<bool>(enqueued);
  if (refused_.size() == kKept) refused_.pop_back();
  refused_.push_back(problem);
  return false;
}

Status LayerProducts::enqueue(const ProductProblem& problem, cudaStream_t stream) {
  const auto found = std::ranges::find(prepared_, problem, &Product::problem);
  if (found != prepared_.end()) return found->enqueue(stream);
  PRERANK_ASSIGN_OR_RETURN(Product product, products_->prepare(problem, stream));
  PRERANK_RETURN_IF_ERROR(product.enqueue(stream));
  if (prepared_.size() == kKept) prepared_.pop_back();
  prepared_.push_back(std::move(product));
  return {};
}

}  // namespace prerank::cuda
