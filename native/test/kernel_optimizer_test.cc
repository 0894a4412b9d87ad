#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>

#include "cpu/optimizers.h"
#include "held_weights.h"
#include "kernel_harness.h"

namespace prerank::test {
namespace {

using Doubles = std::vector<double>;

// PyTorch's rules for one element, in double.
struct Reference {
  double w, s0, s1;

  void dense(const DenseOptimizer& o, uint64_t step, double lr, double g) {
    if (o.kind != DenseOptimizerKind::kAdamW) g += o.l2 * w;
    switch (o.kind) {
      case DenseOptimizerKind::kSgd:
        s0 = o.momentum * s0 + g;
        w -= lr * (o.momentum == 0 ? g : s0);
        return;
      case DenseOptimizerKind::kAdagrad:
        adagrad(lr, o.epsilon, g);
        return;
      case DenseOptimizerKind::kAdamW:
        w -= lr * o.weight_decay * w;
        [[fallthrough]];
      case DenseOptimizerKind::kAdam:
        adam(o.beta1, o.beta2, o.epsilon, step, lr, g);
        return;
    }
  }

  void adagrad(double lr, double epsilon, double g) {
    s0 += g * g;
    w -= lr * g / (std::sqrt(s0) + epsilon);
  }

  void adam(double beta1, double beta2, double epsilon, uint64_t step, double lr, double g) {
    const double t = static_cast<double>(step) + 1;
    s0 = beta1 * s0 + (1 - beta1) * g;
    s1 = beta2 * s1 + (1 - beta2) * g * g;
    w -= lr / (1 - std::pow(beta1, t)) * s0 / (std::sqrt(s1) / std::sqrt(1 - std::pow(beta2, t)) + epsilon);
  }
};

TEST(KernelDenseOptimizer, FollowsTheRulesOverSteps) {
  DenseOptimizer sgd{.kind = DenseOptimizerKind::kSgd, .l2 = 0.01};
  DenseOptimizer momentum{.kind = DenseOptimizerKind::kSgd, .momentum = 0.9};
  DenseOptimizer adagrad{.kind = DenseOptimizerKind::kAdagrad, .epsilon = 1e-10, .l2 = 0.01};
  DenseOptimizer adam{.kind = DenseOptimizerKind::kAdam, .l2 = 0.02};
  DenseOptimizer adamw{.kind = DenseOptimizerKind::kAdamW, .l2 = 5, .weight_decay = 0.1};  // l2 is not AdamW's
  for_each_isa([&] {
    for (const DenseOptimizer& optimizer : {sgd, momentum, adagrad, adam, adamw}) {
      for (const size_t n : {1, 3, 16, 255}) {
        constexpr size_t kGuard = 16;
        std::vector<float> w = random_floats(n + kGuard, 1), s0(n + kGuard, 0.0f), s1(n + kGuard, 0.0f);
        std::vector<Reference> want;
        for (const float x : w) want.push_back({static_cast<double>(x), 0, 0});
        for (uint64_t step = 0; step < 6; ++step) {
          const std::vector<float> g = random_floats(n, 10 + step);
          const double lr = 0.05 / static_cast<double>(step + 1), scale = step == 2 ? 0.5 : 1;
          cpu::update_dense(optimizer, step, lr, scale, {w.data(), n}, g, {s0.data(), n}, {s1.data(), n});
          for (size_t i = 0; i < n; ++i) want[i].dense(optimizer, step, lr, scale * static_cast<double>(g[i]));
        }
        Doubles expected;
        for (const Reference& reference : want) expected.push_back(reference.w);
        expect_near(w, expected, 3e-6, "weights of optimizer " + std::to_string(static_cast<int>(optimizer.kind)));
        for (size_t i = n; i < n + kGuard; ++i) ASSERT_EQ(s0[i] + s1[i], 0.0f);
      }
    }
  });
}

constexpr size_t kTrainedRows = 40;

// A batch index over three id inputs, the last without gradient: rows with one entry, many entries, and none trained.
struct Index {
  std::vector<uint32_t> rows, starts, bags;
  std::vector<uint16_t> inputs;
  std::vector<float> coefficients;

  Index() {
    std::mt19937 random(3);
    for (uint32_t row = 1; row < kTrainedRows; row += 1 + static_cast<uint32_t>(random() % 3)) {
      rows.push_back(row);
      starts.push_back(static_cast<uint32_t>(bags.size()));
      const size_t entries = row % 7 == 0 ? 1 : 1 + random() % 30;
      for (size_t e = 0; e < entries; ++e) {
        bags.push_back(static_cast<uint32_t>(random() % 20));
        inputs.push_back(row % 7 == 0 ? 2 : static_cast<uint16_t>(random() % 3));
        coefficients.push_back(static_cast<float>(random() % 4 + 1) / 4);
      }
    }
    starts.push_back(static_cast<uint32_t>(bags.size()));
  }

  // The same entries of one input, with coefficient 1.
  static Index plain(uint16_t input) {
    Index index;
    index.inputs.clear();
    index.coefficients.clear();
    index.input = input;
    return index;
  }

  BatchTableIndex view() const { return {rows, starts, bags, inputs, coefficients, input}; }

  uint16_t input = 0;
};

struct Gradients {
  std::vector<float> first, second;
  std::array<cpu::PooledGradient, 3> pooled;

  Gradients(size_t dim, uint64_t seed)
      : first(random_floats(20 * (dim + 3), seed)), second(random_floats(20 * dim, seed + 1)) {
    pooled = {cpu::PooledGradient{first.data(), dim + 3}, cpu::PooledGradient{second.data(), dim},
              cpu::PooledGradient{}};
  }

  // The row's summed gradient; empty when no entry is trained.
  Doubles of(const Index& index, size_t u, size_t dim) const {
    Doubles sum;
    for (size_t e = index.starts[u]; e < index.starts[u + 1]; ++e) {
      const cpu::PooledGradient& source = pooled[index.view().input_of(e)];
      if (source.base == nullptr) continue;
      sum.resize(dim);
      for (size_t d = 0; d < dim; ++d) {
        sum[d] += static_cast<double>(index.view().coefficient_of(e)) *
                  static_cast<double>(source.base[index.bags[e] * source.stride + d]);
      }
    }
    return sum;
  }
};

class SparseReference {
 public:
  SparseReference(const std::vector<float>& w, size_t dim) : dim_(dim), row_sums_(kTrainedRows) {
    for (const float x : w) elements_.push_back({static_cast<double>(x), 0, 0});
  }

  void update(const SparseOptimizer& o, uint64_t step, double lr, double scale, size_t row, Doubles g) {
    Reference* e = elements_.data() + row * dim_;
    double mean = 0;
    for (size_t d = 0; d < dim_; ++d) {
      g[d] = scale * g[d] + o.l2 * e[d].w;
      mean += g[d] * g[d] / static_cast<double>(dim_);
    }
    row_sums_[row] += mean;
    for (size_t d = 0; d < dim_; ++d) {
      switch (o.kind) {
        case SparseOptimizerKind::kSgd:
          e[d].w -= lr * g[d];
          break;
        case SparseOptimizerKind::kAdagrad:
          e[d].adagrad(lr, o.epsilon, g[d]);
          break;
        case SparseOptimizerKind::kRowwiseAdagrad:
          e[d].w -= lr * g[d] / (std::sqrt(row_sums_[row]) + o.epsilon);
          break;
        case SparseOptimizerKind::kAdam:
          e[d].adam(o.beta1, o.beta2, o.epsilon, step, lr, g[d]);
          break;
      }
    }
  }

  Doubles weights() const {
    Doubles w;
    for (const Reference& e : elements_) w.push_back(e.w);
    return w;
  }

 private:
  size_t dim_;
  std::vector<Reference> elements_;
  Doubles row_sums_;
};

// The first step of Adam moves a weight at 0 by lr * g / (|g| + epsilon): nothing else hides the moments' rounding.
TEST(KernelDenseOptimizer, AdamsFirstStepIsExact) {
  DenseOptimizer optimizer;
  optimizer.kind = DenseOptimizerKind::kAdam;
  const std::vector<float> g = {1e-3f, -0.25f, 3.0f, -1e-2f, 0.5f};
  std::vector<float> w(g.size()), m(g.size()), v(g.size());
  constexpr double kLr = 1e-3;
  cpu::update_dense(optimizer, 0, kLr, 1, w, g, m, v);
  for (size_t i = 0; i < g.size(); ++i) {
    const double x = g[i];
    const double expected = -kLr * x / (std::abs(x) + optimizer.epsilon);
    EXPECT_NEAR(w[i] / expected, 1, 3e-7) << i;
  }
}

class KernelSparseOptimizer : public ::testing::TestWithParam<Index> {};

TEST_P(KernelSparseOptimizer, FollowsTheRulesOverSteps) {
  const Index& index = GetParam();
  for_each_isa([&] {
    for (const SparseOptimizerKind kind : {SparseOptimizerKind::kSgd, SparseOptimizerKind::kAdagrad,
                                           SparseOptimizerKind::kRowwiseAdagrad, SparseOptimizerKind::kAdam}) {
      for (const size_t dim : {1, 3, 8, 16, 33, 64, 150}) {
        SCOPED_TRACE("optimizer " + std::to_string(static_cast<int>(kind)) + ", dim " + std::to_string(dim));
        SparseOptimizer optimizer{.kind = kind, .l2 = 0.01};
        std::vector<float> w = random_floats(kTrainedRows * dim, 1);
        std::vector<float> s0(kTrainedRows * (kind == SparseOptimizerKind::kRowwiseAdagrad ? 1 : dim)),
            s1(kTrainedRows * dim);
        SparseReference want(w, dim);
        const TableView table = {w.data(), kTrainedRows, static_cast<int64_t>(dim)};
        for (uint64_t step = 0; step < 4; ++step) {
          const Gradients gradients(dim, 20 + step);
          const double scale = step == 1 ? 0.25 : 1;
          const size_t middle = index.rows.size() / 3;
          cpu::update_sparse_rows(optimizer, step, 0.05, scale, table, s0, s1, index.view(), 0, middle,
                                  gradients.pooled, 0);
          cpu::update_sparse_rows(optimizer, step, 0.05, scale, table, s0, s1, index.view(), middle, index.rows.size(),
                                  gradients.pooled, 0);
          for (size_t u = 0; u < index.rows.size(); ++u) {
            const Doubles g = gradients.of(index, u, dim);
            if (!g.empty()) want.update(optimizer, step, 0.05, scale, index.rows[u], g);
          }
        }
        expect_near(w, want.weights(), 2e-5, "weights");
      }
    }
  });
}

// Row r in slot kTrainedRows - r: the same bytes as row r in its own place, of tables of 16 bits too.
TEST_P(KernelSparseOptimizer, RowsAreUpdatedInTheirSlots) {
  const Index& index = GetParam();
  constexpr size_t kRowDim = 21;
  std::vector<uint32_t> slots;
  for (const uint32_t row : index.rows) slots.push_back(static_cast<uint32_t>(kTrainedRows) - row);
  const auto turned = [](const auto& rows, size_t width) {
    auto all = rows;
    all.resize((kTrainedRows + 1) * width);
    for (size_t row = 0; row < kTrainedRows; ++row) {
      std::copy_n(rows.begin() + static_cast<ptrdiff_t>(row * width), width,
                  all.begin() + static_cast<ptrdiff_t>((kTrainedRows - row) * width));
    }
    std::fill_n(all.begin(), width, typename std::decay_t<decltype(rows)>::value_type());
    return all;
  };
  for_each_isa([&] {
    for (const SparseOptimizerKind kind : {SparseOptimizerKind::kSgd, SparseOptimizerKind::kAdagrad,
                                           SparseOptimizerKind::kRowwiseAdagrad, SparseOptimizerKind::kAdam}) {
      const size_t width = kind == SparseOptimizerKind::kRowwiseAdagrad ? 1 : kRowDim;
      std::vector<float> w = random_floats(kTrainedRows * kRowDim, 1), s0(kTrainedRows * width, 0.5f),
                         s1(kTrainedRows * kRowDim, 0.25f);
      std::vector<float> slot_w = turned(w, kRowDim), slot_s0 = turned(s0, width), slot_s1 = turned(s1, kRowDim);
      const Gradients gradients(kRowDim, 20);
      const auto update = [&](const TableView& table, std::span<float> state0, std::span<float> state1,
                              const BatchTableIndex& rows) {
        cpu::update_sparse_rows({.kind = kind}, 3, 0.05, 1, table, state0, state1, rows, 0, rows.rows.size(),
                                gradients.pooled, 77);
      };
      BatchTableIndex placed = index.view();
      placed.slots = slots;
      constexpr auto kCount = static_cast<int64_t>(kTrainedRows), kColumns = static_cast<int64_t>(kRowDim);
      update({w.data(), kCount, kColumns}, s0, s1, index.view());
      update({slot_w.data(), kCount, kColumns}, slot_s0, slot_s1, placed);
      EXPECT_EQ(slot_w, turned(w, kRowDim)) << static_cast<int>(kind);
      EXPECT_EQ(slot_s0, turned(s0, width)) << static_cast<int>(kind);
      EXPECT_EQ(slot_s1, turned(s1, kRowDim)) << static_cast<int>(kind);
      for (const TableType type : kNarrowTypes) {
        HeldWeights narrow(type, w), slot_narrow(type, turned(w, kRowDim));
        update({narrow.view(), kCount, kColumns}, s0, s1, index.view());
        update({slot_narrow.view(), kCount, kColumns}, slot_s0, slot_s1, placed);
        EXPECT_EQ(slot_narrow.values(), turned(narrow.values(), kRowDim))
            << static_cast<int>(kind) << ' ' << name_of(type);
      }
    }
  });
}

TEST_P(KernelSparseOptimizer, RowsWithoutGradientStay) {
  const Index& index = GetParam();
  std::vector<float> w = random_floats(kTrainedRows * 4, 1);
  const std::vector<float> before = w;
  std::vector<float> sums(kTrainedRows);
  const std::array<cpu::PooledGradient, 3> nothing = {};
  cpu::update_sparse_rows({.l2 = 1}, 0, 0.1, 1, {w.data(), kTrainedRows, 4}, sums, {}, index.view(), 0, index.rows.size(),
                          nothing, 0);
  EXPECT_EQ(w, before);
  EXPECT_EQ(sums, std::vector<float>(kTrainedRows));
}

// Mixed entries, plain ones, and plain ones without gradient.
INSTANTIATE_TEST_SUITE_P(Entries, KernelSparseOptimizer, testing::Values(Index(), Index::plain(0), Index::plain(2)));

class KernelSparseNorm : public ::testing::TestWithParam<Index> {};
INSTANTIATE_TEST_SUITE_P(Entries, KernelSparseNorm, testing::Values(Index(), Index::plain(1)));

TEST_P(KernelSparseNorm, AddsSquaresOfRows) {
  const Index& index = GetParam();
  for_each_isa([&] {
    for (const size_t dim : {1, 7, 16, 150}) {
      const Gradients gradients(dim, 5);
      double want = 0;
      for (size_t u = 2; u < index.rows.size(); ++u) {
        for (const double g : gradients.of(index, u, dim)) want += g * g;
      }
      const double got =
          cpu::sparse_gradient_norm_sq(static_cast<int64_t>(dim), index.view(), 2, index.rows.size(), gradients.pooled);
      EXPECT_NEAR(got / want, 1, 1e-5);
    }
  });
}

TEST(KernelOptimizer, NormsAndSums) {
  for_each_isa([] {
    for (const size_t n : {0, 1, 17, 255}) {
      const std::vector<float> x = random_floats(n, 1);
      double want = 0;
      for (const float v : x) want += static_cast<double>(v) * static_cast<double>(v);
      EXPECT_NEAR(cpu::norm_sq(x), want, 1e-9 * (1 + want));
    }
    for (const size_t workers : {1, 3, 70}) {
      std::vector<std::vector<float>> arenas;
      std::vector<float*> pointers;
      for (size_t i = 0; i < workers; ++i) arenas.push_back(random_floats(50, i));
      for (std::vector<float>& arena : arenas) pointers.push_back(arena.data());
      const std::vector<float> first = arenas[0];
      std::vector<double> want(first.begin(), first.end());
      for (size_t i = 7; i < 41; ++i) {
        float sum = first[i];
        for (size_t k = 1; k < workers; ++k) sum += arenas[k][i];
        want[i] = static_cast<double>(sum);
      }
      cpu::sum_accumulators(pointers, 7, 41, arenas[0].data());
      expect_near(arenas[0], want, 0, "the sum, in the workers' order");
    }
  });
}

}  // namespace
}  // namespace prerank::test
