// Which of cuBLASLt's algorithms a product uses: what was kept, the fastest of several, or the heuristic's first.
#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "cuda/products.h"

namespace prerank::cuda {
namespace {

constexpr uint32_t kMaxAlignment = 256;
constexpr int kCandidates = 16;
// Times are of kLaunches in a row, the best of kSamples.
constexpr int kSamples = 3, kLaunches = 4;

uint32_t alignment_of(const void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  const uintptr_t lowest = address & (~address + 1);
  return address == 0 ? kMaxAlignment : static_cast<uint32_t>(std::min<uintptr_t>(lowest, kMaxAlignment));
}

// Of A, B and C in cuBLASLt's order.
std::array<uint32_t, 3> alignments_of(const ProductProblem& problem) {
  return {alignment_of(problem.b.data), alignment_of(problem.a.data), alignment_of(problem.c)};
}

// What cuBLASLt is told of a product.
std::string name_of(const ProductProblem& problem, cublasLtEpilogue_t epilogue, cublasComputeType_t compute) {
  const auto operand = [](const ProductOperand& of) { return std::to_string(of.stride) + (of.transposed ? "t" : "n"); };
  std::string name = std::to_string(problem.m) + "x" + std::to_string(problem.k) + "x" + std::to_string(problem.n) +
                     " strides " + operand(problem.a) + " " + operand(problem.b) + " " +
                     std::to_string(problem.c_stride) + (problem.accumulate ? "+" : "") + " epilogue " +
                     std::to_string(static_cast<int>(epilogue)) + " compute " +
                     std::to_string(static_cast<int>(compute)) + " mask " + std::to_string(problem.mask.stride) + " alignment";
  for (const uint32_t alignment : alignments_of(problem)) name += " " + std::to_string(alignment);
  return name;
}

// Destroys a preference at the end of a scope.
struct Preference {
  const CublasLt& api;
  cublasLtMatmulPreference_t handle = nullptr;
  ~Preference() {
    if (handle != nullptr) (void)api.preference_destroy(handle);
  }
};

}  // namespace

Status Product::choose_algorithm(cublasLtEpilogue_t epilogue, cudaStream_t stream) {
  Tuning* const tuning = owner_->tuning_.get();
  if (tuning == nullptr) {
    PRERANK_ASSIGN_OR_RETURN(const auto found, candidates(1));
    algorithm_ = found.front().algo;
    return {};
  }
  const std::string name = name_of(problem_, epilogue, owner_->compute_);
  if (const std::optional<cublasLtMatmulAlgo_t> kept = tuning->find(name)) return use(*kept, name);
  PRERANK_ASSIGN_OR_RETURN(const auto found, candidates(tuning->allowed() ? kCandidates : 1));
  algorithm_ = found.front().algo;
  if (!tuning->allowed()) return {};
  PRERANK_ASSIGN_OR_RETURN(algorithm_, fastest(found, stream));
  tuning->choose(name, algorithm_);
  return {};
}

Result<std::vector<cublasLtMatmulHeuristicResult_t>> Product::candidates(int most) const {
  const CublasLt& api = *owner_->api_;
  Preference preference{api};
  PRERANK_RETURN_IF_ERROR(api.check(api.preference_create(&preference.handle), "cublasLtMatmulPreferenceCreate"));
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
    return api.check(api.preference_set(preference.handle, attribute, &value, sizeof value),
                     "cublasLtMatmulPreferenceSetAttribute");
  };
  const uint64_t workspace = owner_->workspace_.bytes();
  const auto [a, b, c] = alignments_of(problem_);
  PRERANK_RETURN_IF_ERROR(prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace));
  PRERANK_RETURN_IF_ERROR(prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, a));
  PRERANK_RETURN_IF_ERROR(prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, b));
  PRERANK_RETURN_IF_ERROR(prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, c));
  PRERANK_RETURN_IF_ERROR(prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, c));

  std::vector<cublasLtMatmulHeuristicResult_t> found(static_cast<size_t>(most));
  int count = 0;
  const cublasStatus_t status = api.heuristic(owner_->handle_, desc_, a_, b_, c_, c_, preference.handle, most,
                                              found.data(), &count);
  PRERANK_RETURN_IF_ERROR(api.check(status, "cublasLtMatmulAlgoGetHeuristic"));
  found.resize(static_cast<size_t>(count));
  std::erase_if(found, [](const auto& result) { return result.state != CUBLAS_STATUS_SUCCESS; });
  if (found.empty()) {
    return Status(Code::kUnsupported, "cuBLASLt has no algorithm for a product of [" + std::to_string(problem_.m) +
                                          ", " + std::to_string(problem_.k) + "] and [" + std::to_string(problem_.k) +
                                          ", " + std::to_string(problem_.n) + "]");
  }
  return found;
}

Status Product::use(const cublasLtMatmulAlgo_t& kept, const std::string& name) {
  const Products& owner = *owner_;
  cublasLtMatmulHeuristicResult_t result = {};
  const cublasStatus_t status =
      owner.api_->algorithm_check(owner.handle_, desc_, a_, b_, c_, c_, &kept, &result);
  if (status != CUBLAS_STATUS_SUCCESS || result.workspaceSize > owner.workspace_.bytes()) {
    return {Code::kInvalidArgument, "the algorithm that was kept for the product " + name + " cannot be used (" +
                                        owner.api_->status_name(status) + ")"};
  }
  algorithm_ = kept;
  return {};
}

Result<cublasLtMatmulAlgo_t> Product::fastest(std::span<const cublasLtMatmulHeuristicResult_t> found,
                                              cudaStream_t stream) const {
  // What is already in an accumulator must stay; other results are written again by the product itself.
  DeviceBuffer scratch;
  if (problem_.accumulate) {
    const size_t floats = problem_.m * problem_.c_stride;
    PRERANK_ASSIGN_OR_RETURN(scratch, DeviceBuffer::floats(floats, "choosing a product's algorithm"));
    PRERANK_CUDA(cudaMemsetAsync(scratch.as<void>(), 0, scratch.bytes(), stream));
  }
  float* const c = problem_.accumulate ? scratch.as<float>() : problem_.c;
  PRERANK_ASSIGN_OR_RETURN(const Event before, make_timed_event());
  PRERANK_ASSIGN_OR_RETURN(const Event after, make_timed_event());
  cublasLtMatmulAlgo_t chosen = found.front().algo;
  float least = std::numeric_limits<float>::infinity();
  for (const cublasLtMatmulHeuristicResult_t& candidate : found) {
    PRERANK_RETURN_IF_ERROR(launch(candidate.algo, c, stream));
    for (int sample = 0; sample < kSamples; ++sample) {
      PRERANK_CUDA(cudaEventRecord(before.get(), stream));
      for (int i = 0; i < kLaunches; ++i) PRERANK_RETURN_IF_ERROR(launch(candidate.algo, c, stream));
      PRERANK_CUDA(cudaEventRecord(after.get(), stream));
      PRERANK_CUDA(cudaEventSynchronize(after.get()));
      float milliseconds = 0;
      PRERANK_CUDA(cudaEventElapsedTime(&milliseconds, before.get(), after.get()));
      if (milliseconds >= least) continue;
      least = milliseconds;
      chosen = candidate.algo;
    }
  }
  return chosen;
}

}  // namespace prerank::cuda
