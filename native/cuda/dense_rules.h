// How an optimizer moves one weight of a dense parameter, with the rules of cpu::update_dense.
#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>

#include "cpu/optimizers.h"
#include "prerank/parameter_store.h"

namespace prerank::cuda {

enum class DenseRule : uint8_t { kSgd, kMomentum, kAdagrad, kAdam };

inline DenseRule dense_rule(const DenseOptimizer& optimizer) {
  switch (optimizer.kind) {
    case DenseOptimizerKind::kSgd: return optimizer.momentum == 0 ? DenseRule::kSgd : DenseRule::kMomentum;
    case DenseOptimizerKind::kAdagrad: return DenseRule::kAdagrad;
    case DenseOptimizerKind::kAdam:
    case DenseOptimizerKind::kAdamW: break;
  }
  return DenseRule::kAdam;
}

#if defined(__CUDACC__) || defined(PRERANK_EMULATED_DEVICE)

// One weight moved by its gradient (already scaled, L2 added).
struct DenseSgd {
  static constexpr int kStates = 0;
  __device__ void operator()(const cpu::UpdateConstants& c, float g, float& w, float&, float&) const { w -= c.lr * g; }
};
struct DenseMomentum {
  static constexpr int kStates = 1;
  __device__ void operator()(const cpu::UpdateConstants& c, float g, float& w, float& buffer, float&) const {
    buffer = c.momentum * buffer + g;
    w -= c.lr * buffer;
  }
};
struct DenseAdagrad {
  static constexpr int kStates = 1;
  __device__ void operator()(const cpu::UpdateConstants& c, float g, float& w, float& sum, float&) const {
    sum += g * g;
    w -= c.lr * g / (sqrtf(sum) + c.epsilon);
  }
};
struct DenseAdam {
  static constexpr int kStates = 2;
  __device__ void operator()(const cpu::UpdateConstants& c, float g, float& w, float& m, float& v) const {
    m = c.beta1 * m + c.rest1 * g;
    v = c.beta2 * v + c.rest2 * (g * g);
    w = c.decay * w - c.m_rate * m / (sqrtf(v) * c.v_scale + c.epsilon);
  }
};

template <class Rule>
__device__ void move_weight(const cpu::UpdateConstants& c, float g, float& w, float& s0, float& s1) {
  Rule()(c, c.grad_scale * g + c.l2 * w, w, s0, s1);
}

#endif

}  // namespace prerank::cuda
