// How gradients of several tasks become one: coefficients from their dot products alone, for host and device (which
// nvcc lets call constexpr functions). Pure functions of at most kMaxWeighed tasks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "base/philox.h"
#include "prerank/plan.h"

namespace prerank {

inline constexpr size_t kMaxWeighed = 32;  // tasks
inline constexpr float kLogVarianceBound = 10;

// What the coefficients are computed in. A GPU keeps it in shared memory: it reserves local memory for as many threads as
// it could run.
struct WeighingScratch {
  std::array<double, kMaxWeighed> vector, product;
  std::array<size_t, kMaxWeighed> numbers;
  std::array<double, kMaxWeighed * kMaxWeighed> scaled;
};

namespace weighing {

// Keeps the visiting order's random bits apart from those of operations.
inline constexpr uint64_t kStream = 0x7063677261647374;
inline constexpr int kIterations = 250;
inline constexpr double kTolerance = 1e-5;  // sum of the changes of alpha

// All tasks in the random order in which `task` visits them.
constexpr void draw_order(size_t task, size_t tasks, uint64_t seed, uint64_t step,
                          std::array<size_t, kMaxWeighed>& order) {
  for (size_t i = 0; i < tasks; ++i) order[i] = i;
  for (size_t i = tasks; i-- > 1;) {
    const uint32_t word = philox4x32({static_cast<uint32_t>(i), static_cast<uint32_t>(task),
                                      static_cast<uint32_t>(step >> 32), static_cast<uint32_t>(step)},
                                     philox_key(seed ^ kStream))[0];
    const auto other = static_cast<size_t>(uint64_t{word} * (i + 1) >> 32);
    const size_t moved = order[i];
    order[i] = order[other];
    order[other] = moved;
  }
}

// The weight of v1 in the shortest point between v1 and v2, from their dot products.
constexpr double shortest_between(double v11, double v12, double v22) {
  const double span = v11 - 2 * v12 + v22;  // |v1 - v2|^2
  if (!(span > 0)) return 0.5;
  const double weight = (v22 - v12) / span;
  return weight < 0 ? 0 : weight > 1 ? 1 : weight;
}

// The best pair of tasks: where Frank-Wolfe starts.
constexpr void best_pair(std::span<const double> gram, std::span<double> alpha) {
  const size_t tasks = alpha.size();
  size_t first = 0, second = 1;
  double weight = 1, least = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < tasks; ++i) {
    for (size_t j = i + 1; j < tasks; ++j) {
      const double ii = gram[i * tasks + i], ij = gram[i * tasks + j], jj = gram[j * tasks + j];
      const double a = shortest_between(ii, ij, jj), b = 1 - a;
      const double norm = a * a * ii + 2 * a * b * ij + b * b * jj;
      if (!(norm < least)) continue;
      least = norm;
      first = i;
      second = j;
      weight = a;
    }
  }
  for (size_t i = 0; i < tasks; ++i) alpha[i] = 0;
  alpha[first] = weight;
  alpha[second] += 1 - weight;
}

// One Frank-Wolfe step; returns how far alpha moved.
constexpr double descend(std::span<const double> gram, std::span<double> alpha, std::span<double> product) {
  const size_t tasks = alpha.size();
  double norm = 0;
  size_t target = 0;
  for (size_t i = 0; i < tasks; ++i) {
    product[i] = 0;
    for (size_t j = 0; j < tasks; ++j) product[i] += gram[i * tasks + j] * alpha[j];
    norm += alpha[i] * product[i];
    if (product[i] < product[target]) target = i;
  }
  const double keep = shortest_between(norm, product[target], gram[target * tasks + target]);
  double moved = 0;
  for (size_t i = 0; i < tasks; ++i) {
    const double next = keep * alpha[i] + (i == target ? 1 - keep : 0);
    moved += next < alpha[i] ? alpha[i] - next : next - alpha[i];
    alpha[i] = next;
  }
  return moved;
}

}  // namespace weighing

// Coefficients c of sum_i g'_i = sum_j c_j g_j, where g'_i is g_i after projection onto the normal plane of every g_j
// that it conflicts with, in an order drawn from (seed, step) (Yu et al., "Gradient surgery for multi-task learning",
// 2020). gram: [K, K] of the g; a zero gradient is not projected on. coefficients: K.
constexpr void pcgrad_coefficients(std::span<const double> gram, uint64_t seed, uint64_t step,
                                   std::span<double> coefficients, WeighingScratch& scratch) {
  const size_t tasks = coefficients.size();
  for (size_t k = 0; k < tasks; ++k) coefficients[k] = 0;
  for (size_t i = 0; i < tasks; ++i) {
    std::array<double, kMaxWeighed>& own = scratch.vector;  // g'_i in terms of the g
    for (size_t k = 0; k < tasks; ++k) own[k] = k == i ? 1 : 0;
    std::array<size_t, kMaxWeighed>& order = scratch.numbers;
    weighing::draw_order(i, tasks, seed, step, order);
    for (size_t visited = 0; visited < tasks; ++visited) {
      const size_t j = order[visited];
      if (j == i) continue;
      double dot = 0;
      for (size_t k = 0; k < tasks; ++k) dot += own[k] * gram[k * tasks + j];
      const double square = gram[j * tasks + j];
      if (dot < 0 && square > 0) own[j] -= dot / square;
    }
    for (size_t k = 0; k < tasks; ++k) coefficients[k] += own[k];
  }
}

// The alpha of the simplex that minimises |sum_k alpha_k g_k| (Desideri 2012; Sener and Koltun, "Multi-task learning as
// multi-objective optimization", 2018): closed form for two tasks, Frank-Wolfe for more.
constexpr void min_norm_weights(std::span<const double> gram, std::span<double> alpha, WeighingScratch& scratch) {
  if (alpha.size() < 2) {
    for (double& weight : alpha) weight = 1;
    return;
  }
  weighing::best_pair(gram, alpha);
  for (int i = 0; alpha.size() > 2 && i < weighing::kIterations; ++i) {
    if (!(weighing::descend(gram, alpha, scratch.product) >= weighing::kTolerance)) break;
  }
}

// min_norm_weights of g_k / norms_k over the tasks with a gradient, times their number, so that equal weights are 1. A
// task without a gradient (no rows in the batch) would win with alpha 1: it is left out and keeps 1.
constexpr void mgda_coefficients(std::span<const double> gram, std::span<const double> norms,
                                 std::span<double> coefficients, WeighingScratch& scratch) {
  const size_t tasks = coefficients.size();
  std::array<size_t, kMaxWeighed>& present = scratch.numbers;
  size_t count = 0;
  for (size_t k = 0; k < tasks; ++k) {
    coefficients[k] = 1;
    if (gram[k * tasks + k] > 0 && norms[k] > 0) present[count++] = k;
  }
  for (size_t i = 0; i < count; ++i) {
    for (size_t j = 0; j < count; ++j) {
      scratch.scaled[i * count + j] = gram[present[i] * tasks + present[j]] / (norms[present[i]] * norms[present[j]]);
    }
  }
  min_norm_weights({scratch.scaled.data(), count * count}, {scratch.vector.data(), count}, scratch);
  for (size_t i = 0; i < count; ++i) coefficients[present[i]] = static_cast<double>(count) * scratch.vector[i];
}

// What MGDA divides the gradient of logits by, from its length and the weighted mean loss of their tasks.
constexpr double gradient_divisor(GradientNorm norm, double length, double loss) {
  switch (norm) {
    case GradientNorm::kNone: break;
    case GradientNorm::kL2: return length;
    case GradientNorm::kLoss: return loss;
    case GradientNorm::kLossL2: return loss * length;
  }
  return 1;
}

// Uncertainty weighting (Kendall et al., "Multi-task learning using uncertainty to weigh losses", 2018): a task's loss
// counts share / variance times and has half of the log-variance added.
constexpr double uncertainty_share(LossKind kind) { return kind == LossKind::kBce ? 1.0 : 0.5; }
constexpr float log_variance_gradient(double scale, double loss) { return static_cast<float>(0.5 - scale * loss); }

}  // namespace prerank
