#include "plan/task_weights.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/philox.h"

namespace prerank {
namespace {

using Vector = std::array<double, kMaxWeighed>;

// Keeps the visiting order's random bits apart from those of operations.
constexpr uint64_t kStream = 0x7063677261647374;
constexpr int kIterations = 250;
constexpr double kTolerance = 1e-5;  // sum of the changes of alpha

// Visits the tasks other than `task` in random order.
template <class Visit>
void visit_others(size_t task, size_t tasks, uint64_t seed, uint64_t step, Visit visit) {
  std::array<size_t, kMaxWeighed> order;
  std::iota(order.begin(), order.begin() + static_cast<ptrdiff_t>(tasks), size_t{0});
  for (size_t i = tasks; i-- > 1;) {
    const uint32_t word = philox4x32({static_cast<uint32_t>(i), static_cast<uint32_t>(task),
                                      static_cast<uint32_t>(step >> 32), static_cast<uint32_t>(step)},
                                     philox_key(seed ^ kStream))[0];
    std::swap(order[i], order[static_cast<size_t>(uint64_t{word} * (i + 1) >> 32)]);
  }
  for (size_t i = 0; i < tasks; ++i) {
    if (order[i] != task) visit(order[i]);
  }
}

// The weight of v1 in the shortest point between v1 and v2, from their dot products.
double shortest_between(double v11, double v12, double v22) {
  const double span = v11 - 2 * v12 + v22;  // |v1 - v2|^2
  if (!(span > 0)) return 0.5;
  return std::clamp((v22 - v12) / span, 0.0, 1.0);
}

// The best pair of tasks: where Frank-Wolfe starts.
void best_pair(std::span<const double> gram, std::span<double> alpha) {
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
  std::ranges::fill(alpha, 0.0);
  alpha[first] = weight;
  alpha[second] += 1 - weight;
}

// One Frank-Wolfe step; returns how far alpha moved.
double descend(std::span<const double> gram, std::span<double> alpha) {
  const size_t tasks = alpha.size();
  Vector product = {};
  double norm = 0;
  for (size_t i = 0; i < tasks; ++i) {
    for (size_t j = 0; j < tasks; ++j) product[i] += gram[i * tasks + j] * alpha[j];
    norm += alpha[i] * product[i];
  }
  const auto lowest = std::min_element(product.begin(), product.begin() + static_cast<ptrdiff_t>(tasks));
  const auto target = static_cast<size_t>(lowest - product.begin());
  const double keep = shortest_between(norm, product[target], gram[target * tasks + target]);
  double moved = 0;
  for (size_t i = 0; i < tasks; ++i) {
    const double next = keep * alpha[i] + (i == target ? 1 - keep : 0);
    moved += std::abs(next - alpha[i]);
    alpha[i] = next;
  }
  return moved;
}

}  // namespace

void pcgrad_coefficients(std::span<const double> gram, uint64_t seed, uint64_t step, std::span<double> coefficients) {
  const size_t tasks = coefficients.size();
  std::ranges::fill(coefficients, 0.0);
  for (size_t i = 0; i < tasks; ++i) {
    Vector own = {};  // g'_i in terms of the g
    own[i] = 1;
    visit_others(i, tasks, seed, step, [&](size_t j) {
      double dot = 0;
      for (size_t k = 0; k < tasks; ++k) dot += own[k] * gram[k * tasks + j];
      const double square = gram[j * tasks + j];
      if (dot < 0 && square > 0) own[j] -= dot / square;
    });
    for (size_t k = 0; k < tasks; ++k) coefficients[k] += own[k];
  }
}

void min_norm_weights(std::span<const double> gram, std::span<double> alpha) {
  if (alpha.size() < 2) {
    std::ranges::fill(alpha, 1.0);
    return;
  }
  best_pair(gram, alpha);
  for (int i = 0; alpha.size() > 2 && i < kIterations && descend(gram, alpha) >= kTolerance; ++i) {
  }
}

void mgda_coefficients(std::span<const double> gram, std::span<const double> norms, std::span<double> coefficients) {
  const size_t tasks = coefficients.size();
  std::array<size_t, kMaxWeighed> present;
  size_t count = 0;
  for (size_t k = 0; k < tasks; ++k) {
    coefficients[k] = 1;
    if (gram[k * tasks + k] > 0 && norms[k] > 0) present[count++] = k;
  }
  std::array<double, kMaxWeighed * kMaxWeighed> scaled;
  for (size_t i = 0; i < count; ++i) {
    for (size_t j = 0; j < count; ++j) {
      scaled[i * count + j] = gram[present[i] * tasks + present[j]] / (norms[present[i]] * norms[present[j]]);
    }
  }
  Vector alpha;
  min_norm_weights(std::span(scaled).first(count * count), std::span(alpha).first(count));
  for (size_t i = 0; i < count; ++i) coefficients[present[i]] = static_cast<double>(count) * alpha[i];
}

}  // namespace prerank
