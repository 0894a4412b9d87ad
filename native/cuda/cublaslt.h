// cuBLASLt, opened when the first program is built: the package loads where it is not installed.
#pragma once

#include <cublasLt.h>

#include <memory>
#include <string>

#include "prerank/status.h"

namespace prerank::cuda {

// Its functions; never closed, since handles may outlive any one owner.
struct CublasLt {
  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtDestroy) destroy = nullptr;
  decltype(&cublasLtGetVersion) get_version = nullptr;
  decltype(&cublasLtGetStatusName) status_name = nullptr;
  decltype(&cublasLtMatrixLayoutCreate) layout_create = nullptr;
  decltype(&cublasLtMatrixLayoutDestroy) layout_destroy = nullptr;
  decltype(&cublasLtMatmulDescCreate) desc_create = nullptr;
  decltype(&cublasLtMatmulDescDestroy) desc_destroy = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) desc_set = nullptr;
  decltype(&cublasLtMatmulPreferenceCreate) preference_create = nullptr;
  decltype(&cublasLtMatmulPreferenceDestroy) preference_destroy = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic = nullptr;
  decltype(&cublasLtMatmulAlgoCheck) algorithm_check = nullptr;
  decltype(&cublasLtMatmul) matmul = nullptr;
  std::string path;  // what was opened

  // kUnsupported with what was tried. PRERANK_CUBLASLT names a file instead of the usual places.
  static Result<const CublasLt*> open();

  Status check(cublasStatus_t status, const char* what) const;
};

}  // namespace prerank::cuda
