// The pointwise losses that the device computes, on the host against float64.
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/losses.h"

namespace prerank::test {
namespace {

struct Reference {
  double loss, grad;
};

Reference reference(LossKind kind, double delta, double a, double y) {
  const double r = a - y, q = r / delta;
  switch (kind) {
    case LossKind::kBce:
      return {std::max(a, 0.0) + std::log1p(std::exp(-std::abs(a))) - y * a, 1 / (1 + std::exp(-a)) - y};
    case LossKind::kMse:
      return {r * r, 2 * r};
    case LossKind::kMean:
      return {a, 1};
    case LossKind::kHuber:
      if (std::abs(r) <= delta) return {r * r / 2, r};
      return {delta * (std::abs(r) - delta / 2), r > 0 ? delta : -delta};
    case LossKind::kPseudoHuber:
      return {delta * delta * (std::sqrt(1 + q * q) - 1), r / std::sqrt(1 + q * q)};
    case LossKind::kLogCosh:
      return {std::abs(q) + std::log1p(std::exp(-2 * std::abs(q))) - std::log(2.0), std::tanh(q) / delta};
  }
  return {};
}

TEST(CudaLosses, EveryKindAgainstDouble) {
  for (const LossKind kind : {LossKind::kBce, LossKind::kMse, LossKind::kMean, LossKind::kHuber, LossKind::kPseudoHuber,
                              LossKind::kLogCosh}) {
    for (const double delta : {1.0, 0.7, 3.0}) {
      for (float a = -90; a <= 90; a += 0.3725f) {
        for (const float y : {0.0f, 0.25f, 1.0f}) {
          const Reference want = reference(kind, delta, static_cast<double>(a), static_cast<double>(y));
          const cuda::PointwiseLoss got = cuda::pointwise_loss(kind, delta, a, y);
          EXPECT_NEAR(static_cast<double>(got.loss), want.loss, 2e-7 * (1 + std::abs(want.loss))) << a << ", " << y;
          EXPECT_NEAR(static_cast<double>(got.grad), want.grad, 2e-7 * (1 + std::abs(want.grad))) << a << ", " << y;
          const double p =
              kind == LossKind::kBce ? 1 / (1 + std::exp(-static_cast<double>(a))) : static_cast<double>(a);
          EXPECT_NEAR(static_cast<double>(got.prediction), p, 2e-7 * (1 + std::abs(p)));
        }
      }
    }
  }
}

TEST(CudaLosses, ConfidentAndRightKeepsItsDigits) {
  for (const float a : {-80.0f, -30.0f, -12.0f, 12.0f, 30.0f, 80.0f}) {
    const double tail = std::exp(-std::abs(static_cast<double>(a)));
    const cuda::PointwiseLoss got = cuda::binary_cross_entropy(a, a > 0 ? 1.0f : 0.0f);
    EXPECT_NEAR(static_cast<double>(got.loss) / std::log1p(tail), 1, 1e-6);
    EXPECT_NEAR(static_cast<double>(got.grad) / ((a > 0 ? -1 : 1) * tail / (1 + tail)), 1, 1e-6);
  }
  for (const LossKind kind : {LossKind::kPseudoHuber, LossKind::kLogCosh}) {
    const double r = static_cast<double>(1e-4f);
    const cuda::PointwiseLoss got = cuda::pointwise_loss(kind, 1, 1e-4f, 0);
    EXPECT_NEAR(static_cast<double>(got.loss) / (r * r / 2), 1, 1e-6);
    EXPECT_NEAR(static_cast<double>(got.grad) / r, 1, 1e-6);
  }
}

TEST(CudaLosses, NonFinitePredictionsShow) {
  for (const LossKind kind : {LossKind::kBce, LossKind::kMse, LossKind::kHuber, LossKind::kPseudoHuber,
                              LossKind::kLogCosh, LossKind::kMean}) {
    EXPECT_TRUE(std::isnan(cuda::pointwise_loss(kind, 1, NAN, 0.5f).loss));
    EXPECT_FALSE(std::isfinite(cuda::pointwise_loss(kind, 1, INFINITY, 0.5f).loss));
  }
}

}  // namespace
}  // namespace prerank::test
