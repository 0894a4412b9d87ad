#include "cuda/cublaslt.h"

#include <dlfcn.h>

#include <cstdlib>

namespace prerank::cuda {
namespace {

constexpr int kMajor = CUBLAS_VER_MAJOR;

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

Result<CublasLt> open_library() {
  const char* const given = std::getenv("PRERANK_CUBLASLT");
  const std::string name = given != nullptr && *given != '\0' ? given : "libcublasLt.so." + std::to_string(kMajor);
  void* const library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const reason = dlerror();
    return Status(Code::kUnsupported, "cuBLASLt " + std::to_string(kMajor) + " cannot be opened (" +
                                          (reason == nullptr ? name : reason) +
                                          "): install NVIDIA's cuBLAS, or set PRERANK_CUBLASLT to its libcublasLt.so");
  }
  CublasLt api;
  api.path = name;
  const bool complete = find(library, "cublasLtCreate", api.create) && find(library, "cublasLtDestroy", api.destroy) &&
                        find(library, "cublasLtGetVersion", api.get_version) &&
                        find(library, "cublasLtGetStatusName", api.status_name) &&
                        find(library, "cublasLtMatrixLayoutCreate", api.layout_create) &&
                        find(library, "cublasLtMatrixLayoutDestroy", api.layout_destroy) &&
                        find(library, "cublasLtMatmulDescCreate", api.desc_create) &&
                        find(library, "cublasLtMatmulDescDestroy", api.desc_destroy) &&
                        find(library, "cublasLtMatmulDescSetAttribute", api.desc_set) &&
                        find(library, "cublasLtMatmulPreferenceCreate", api.preference_create) &&
                        find(library, "cublasLtMatmulPreferenceDestroy", api.preference_destroy) &&
                        find(library, "cublasLtMatmulPreferenceSetAttribute", api.preference_set) &&
                        find(library, "cublasLtMatmulAlgoGetHeuristic", api.heuristic) &&
                        find(library, "cublasLtMatmulAlgoCheck", api.algorithm_check) &&
                        find(library, "cublasLtMatmul", api.matmul);
  if (!complete) return Status(Code::kUnsupported, name + " lacks functions of cuBLASLt " + std::to_string(kMajor));
  if (api.get_version() / 10000 != static_cast<size_t>(kMajor)) {
    return Status(Code::kUnsupported, name + " is cuBLASLt " + std::to_string(api.get_version() / 10000) +
                                          ", this build needs version " + std::to_string(kMajor));
  }
  return api;
}

}  // namespace

Result<const CublasLt*> CublasLt::open() {
  static const Result<CublasLt> opened = open_library();
  if (!opened.ok()) return opened.status();
  return &opened.value();
}

Status CublasLt::check(cublasStatus_t status, const char* what) const {
  if (status == CUBLAS_STATUS_SUCCESS) return {};
  const Code code = status == CUBLAS_STATUS_ALLOC_FAILED    ? Code::kOutOfMemory
                    : status == CUBLAS_STATUS_NOT_SUPPORTED ? Code::kUnsupported
                                                            : Code::kInternal;
  return {code, std::string("cuBLASLt: ") + status_name(status) + " in " + what};
}

}  // namespace prerank::cuda
