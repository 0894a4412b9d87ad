// The algorithms of matrix products, chosen by their time (Device::autotune) and kept with checkpoints.
#pragma once

#include <cublasLt.h>

#include <map>
#include <optional>
#include <string>

#include "prerank/program.h"
#include "prerank/status.h"

namespace prerank::cuda {

class Tuning {
 public:
  // fits: the library and the device that choices hold for.
  explicit Tuning(std::string fits) : fits_(std::move(fits)) {}

  // Whether products without a choice may be timed now. They may not while a graph is captured.
  void allow(bool allowed) { allowed_ = allowed; }
  bool allowed() const { return allowed_; }

  // product: what decides how long an algorithm takes, and whether it can be used.
  std::optional<cublasLtMatmulAlgo_t> find(const std::string& product) const;
  void choose(const std::string& product, const cublasLtMatmulAlgo_t& algorithm) { chosen_[product] = algorithm; }

  ProductTuning saved() const;
  // False, and nothing changes, for choices of another library or device. kInvalidArgument when they cannot be read.
  Result<bool> restore(const ProductTuning& saved);

 private:
  std::string fits_;
  bool allowed_ = false;
  std::map<std::string, cublasLtMatmulAlgo_t> chosen_;
};

}  // namespace prerank::cuda
