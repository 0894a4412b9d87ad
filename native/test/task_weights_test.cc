// Coefficients of PCGrad and MGDA against the vectors they stand for.
#include "plan/task_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <vector>

namespace prerank {
namespace {

using Vectors = std::vector<std::vector<double>>;

WeighingScratch scratch;

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

std::vector<double> gram_of(const Vectors& g) {
  std::vector<double> gram;
  for (const auto& a : g) {
    for (const auto& b : g) gram.push_back(dot(a, b));
  }
  return gram;
}

std::vector<double> combination(const Vectors& g, const std::vector<double>& coefficients) {
  std::vector<double> sum(g[0].size());
  for (size_t k = 0; k < g.size(); ++k) {
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += coefficients[k] * g[k][i];
  }
  return sum;
}

Vectors random_vectors(size_t tasks, size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  Vectors g(tasks, std::vector<double>(size));
  for (auto& vector : g) {
    for (double& x : vector) x = normal(random);
  }
  return g;
}

void expect_near(const std::vector<double>& actual, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], tolerance) << i;
}

const Vectors kExample = {{1, 0}, {-.5, .5}};

TEST(Pcgrad, GivesTheWorkedExample) {
  std::vector<double> c(2);
  pcgrad_coefficients(gram_of(kExample), 1, 0, c, scratch);
  expect_near(combination(kExample, c), {.5, 1}, 1e-15);
}

TEST(Pcgrad, LeavesGradientsThatAgreeAndZeros) {
  std::vector<double> c(3);
  pcgrad_coefficients(gram_of({{1, 0}, {1, 1}, {0, 0}}), 1, 0, c, scratch);
  EXPECT_EQ(c, (std::vector<double>{1, 1, 1}));
}

// Every gradient projected in one order of the others, on vectors.
std::vector<double> surgery(const Vectors& g, const std::vector<std::vector<size_t>>& orders) {
  std::vector<double> sum(g[0].size());
  for (size_t i = 0; i < g.size(); ++i) {
    std::vector<double> own = g[i];
    for (const size_t j : orders[i]) {
      const double conflict = dot(own, g[j]);
      if (conflict >= 0) continue;
      for (size_t x = 0; x < own.size(); ++x) own[x] -= conflict / dot(g[j], g[j]) * g[j][x];
    }
    for (size_t x = 0; x < own.size(); ++x) sum[x] += own[x];
  }
  return sum;
}

TEST(Pcgrad, IsTheSurgeryOnVectorsInSomeOrderAndEveryOrderHappens) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    const Vectors g = random_vectors(3, 4, seed);
    std::vector<std::vector<double>> possible;
    for (int orders = 0; orders < 8; ++orders) {
      std::vector<std::vector<size_t>> by_task = {{1, 2}, {0, 2}, {0, 1}};
      for (size_t i = 0; i < 3; ++i) {
        if ((orders >> i & 1) != 0) std::ranges::reverse(by_task[i]);
      }
      possible.push_back(surgery(g, by_task));
    }
    std::set<size_t> seen;
    for (uint64_t step = 0; step < 100; ++step) {
      std::vector<double> c(3), again(3);
      pcgrad_coefficients(gram_of(g), 7, step, c, scratch);
      pcgrad_coefficients(gram_of(g), 7, step, again, scratch);
      EXPECT_EQ(c, again);
      const std::vector<double> sum = combination(g, c);
      size_t found = possible.size();
      for (size_t p = 0; p < possible.size(); ++p) {
        double distance = 0;
        for (size_t i = 0; i < sum.size(); ++i) distance += std::abs(sum[i] - possible[p][i]);
        if (distance < 1e-9 && found == possible.size()) found = p;
      }
      ASSERT_LT(found, possible.size()) << "seed " << seed << " step " << step;
      seen.insert(found);
    }
    std::set<size_t> distinct;
    for (size_t p = 0; p < possible.size(); ++p) {
      size_t first = 0;
      while (std::abs(possible[first][0] - possible[p][0]) > 1e-9) ++first;
      distinct.insert(first);
    }
    EXPECT_EQ(seen.size(), distinct.size()) << "seed " << seed;
  }
}

TEST(Mgda, GivesTheWorkedExample) {
  std::vector<double> alpha(2);
  min_norm_weights(gram_of(kExample), alpha, scratch);
  expect_near(alpha, {.4, .6}, 1e-15);
  expect_near(combination(kExample, alpha), {.1, .3}, 1e-15);
}

TEST(Mgda, TakesTheShorterOfTwoAndHalvesOfEqualGradients) {
  std::vector<double> alpha(2);
  min_norm_weights(gram_of({{1, 0}, {3, 1}}), alpha, scratch);
  expect_near(alpha, {1, 0}, 0);
  min_norm_weights(gram_of({{1, 2}, {1, 2}}), alpha, scratch);
  expect_near(alpha, {.5, .5}, 0);
  std::vector<double> one(1);
  min_norm_weights(gram_of({{1, 2}}), one, scratch);
  expect_near(one, {1}, 0);
}

TEST(Mgda, FindsTheLeastNormOfThree) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    const Vectors g = random_vectors(3, 5, seed);
    std::vector<double> alpha(3);
    min_norm_weights(gram_of(g), alpha, scratch);
    EXPECT_NEAR(alpha[0] + alpha[1] + alpha[2], 1, 1e-12);
    const auto norm = [&](const std::vector<double>& weights) {
      const std::vector<double> sum = combination(g, weights);
      return std::sqrt(dot(sum, sum));
    };
    double least = 1e300;
    constexpr int kGrid = 200;
    for (int i = 0; i <= kGrid; ++i) {
      for (int j = 0; i + j <= kGrid; ++j) {
        const double a = static_cast<double>(i) / kGrid, b = static_cast<double>(j) / kGrid;
        least = std::min(least, norm({a, b, 1 - a - b}));
      }
    }
    EXPECT_LT(norm(alpha), least * 1.01 + 0.005) << "seed " << seed;
    EXPECT_GE(*std::ranges::min_element(alpha), 0);
  }
}

TEST(Mgda, CountsTheTasksThatHaveAGradient) {
  std::vector<double> c(3);
  mgda_coefficients(gram_of({{1, 0}, {0, 0}, {-.5, .5}}), std::vector<double>{1, 1, 1}, c, scratch);
  expect_near(c, {.8, 1, 1.2}, 1e-15);
  mgda_coefficients(gram_of({{0, 0}, {0, 0}, {2, 1}}), std::vector<double>{1, 1, 1}, c, scratch);
  expect_near(c, {1, 1, 1}, 0);
}

TEST(Mgda, DividesByTheNorms) {
  const Vectors g = {{4, 0}, {0, 1}};
  std::vector<double> c(2);
  mgda_coefficients(gram_of(g), std::vector<double>{4, 1}, c, scratch);  // (1, 0) and (0, 1)
  expect_near(c, {1, 1}, 1e-15);
  mgda_coefficients(gram_of(g), std::vector<double>{1, 1}, c, scratch);
  expect_near(c, {2.0 / 17, 32.0 / 17}, 1e-15);
}

}  // namespace
}  // namespace prerank
