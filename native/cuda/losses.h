// Pointwise losses of the fused loss and their derivatives by the prediction, for host and device.
#pragma once

#include <cuda_runtime.h>

#include <cmath>

#include "prerank/plan.h"

namespace prerank::cuda {

struct PointwiseLoss {
  float loss, grad;
  float prediction;  // sigmoid(logit) for binary cross entropy, else what was given
};

// softplus(a) - y a and sigmoid(a) - y, arranged so that nothing cancels for y of 0 or 1: with h = (a > 0) and
// e = exp(-|a|), the loss is (h - y) a + log1p(e), the gradient (h - y) + (1 - 2 h) e / (1 + e).
__host__ __device__ inline PointwiseLoss binary_cross_entropy(float a, float y) {
  const float h = a > 0.0f ? 1.0f : 0.0f;
  const float e = expf(-fabsf(a));
  const float tail = e / (e + 1.0f);
  const float signed_tail = a > 0.0f ? -tail : tail;
  return {(h - y) * a + log1pf(e), (h - y) + signed_tail, h + signed_tail};
}

// r = prediction - target.
//   mse           r^2
//   mean          the prediction itself
//   huber         r^2 / 2 up to |r| = delta, then delta (|r| - delta / 2)
//   pseudo-Huber  delta^2 (sqrt(1 + (r / delta)^2) - 1)
//   log-cosh      log cosh(r / delta)
__host__ __device__ inline PointwiseLoss pointwise_loss(LossKind kind, double delta, float prediction, float target) {
  const double r = static_cast<double>(prediction) - static_cast<double>(target);
  double loss = r * r, grad = 2 * r;
  switch (kind) {
    case LossKind::kBce:
      return binary_cross_entropy(prediction, target);
    case LossKind::kMse:
      break;
    case LossKind::kMean:
      return {prediction, 1.0f, prediction};
    case LossKind::kHuber: {
      const double size = fabs(r);
      loss = size <= delta ? 0.5 * r * r : delta * (size - 0.5 * delta);
      grad = size <= delta ? r : copysign(delta, r);
      break;
    }
    case LossKind::kPseudoHuber: {
      const double q = r / delta;
      const double root = sqrt(1 + q * q);
      loss = r * r / (root + 1);
      grad = r / root;
      break;
    }
    case LossKind::kLogCosh: {
      constexpr double kLn2 = 0.693147180559945309417;
      const double size = fabs(r / delta);
      const double s = expm1(size < 40 ? size : 40.0);  // beyond, 1 + exp(-2 size) is 1
      loss = size < 40 ? log1p(s * s / (2 * (s + 1))) : size - kLn2;
      grad = tanh(r / delta) / delta;
      break;
    }
  }
  return {static_cast<float>(loss), static_cast<float>(grad), prediction};
}

}  // namespace prerank::cuda
