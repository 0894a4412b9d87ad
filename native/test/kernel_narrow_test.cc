// Tables of 16 bits: lookups and updates against float64, and the rounding of what is stored.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "cpu/optimizers.h"
#include "kernel_harness.h"
#include "prerank/bfloat16.h"

namespace prerank::test {
namespace {

std::vector<Bfloat16> narrowed(const std::vector<float>& values) {
  std::vector<Bfloat16> result(values.size());
  to_bfloat16(values, result);
  return result;
}

std::vector<float> widened(const std::vector<Bfloat16>& values) {
  std::vector<float> result(values.size());
  to_float(values, result);
  return result;
}

TEST(Bfloat16, RoundsToTheNearestAndTiesToEven) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> from = {1, 1.00390625f, 1.01171875f, 1.00390637f, -1.00390625f, 0, -infinity, 3.4e38f, 1e-40f};
  const std::vector<float> want = {1, 1, 1.015625f, 1.0078125f, -1, 0, -infinity, infinity, 9.1835496e-41f};
  const std::vector<float> got = widened(narrowed(from));
  for (size_t i = 0; i < from.size(); ++i) EXPECT_EQ(got[i], want[i]) << from[i];
  EXPECT_TRUE(std::isnan(widened(narrowed({std::nanf("1")}))[0]));
  const std::vector<float> exact = widened(narrowed(random_floats(100, 3)));
  EXPECT_EQ(widened(narrowed(exact)), exact) << "what is rounded stays";
}

TEST(KernelNarrow, LooksUpAndPools) {
  constexpr size_t kRows = 50, kBags = 37;
  std::mt19937 random(4);
  std::vector<uint32_t> single, list, offsets = {0};
  for (size_t r = 0; r < kBags; ++r) {
    single.push_back(static_cast<uint32_t>(random() % kRows));
    for (size_t i = r % 6; i > 0; --i) list.push_back(static_cast<uint32_t>(random() % kRows));
    offsets.push_back(static_cast<uint32_t>(list.size()));
  }
  const std::vector<float> weights = random_floats(list.size(), 6);
  for_each_target([&] {
    for (const size_t dim : {1, 3, 7, 8, 16, 33, 64, 150}) {
      SCOPED_TRACE("dim " + std::to_string(dim));
      std::vector<Bfloat16> table = narrowed(random_floats(kRows * dim, 1));
      const std::vector<float> held = widened(table);
      OpHarness harness("embedding", kBags);
      harness.plan.tables = {{"t", kRows, static_cast<int64_t>(dim)}};
      harness.tables = {{nullptr, kRows, static_cast<int64_t>(dim), table.data()}};
      harness.plan.id_inputs = {{"one", Domain::kRow, false, false, 0}, {"weighted", Domain::kRow, true, true, 0}};
      harness.batch.ids = {{single, {}, {}}, {list, offsets, weights}};
      harness.op.lists["idInputs"] = {0, 1};
      harness.op.lists["pooling"] = {0, 0};
      for (int i = 0; i < 2; ++i) harness.op.outputs.push_back(harness.value(dim, random_floats(kBags * dim, 9)));
      harness.run(16);
      std::vector<double> rows(kBags * dim), bags(kBags * dim);
      for (size_t r = 0; r < kBags; ++r) {
        for (size_t d = 0; d < dim; ++d) {
          rows[r * dim + d] = static_cast<double>(held[single[r] * dim + d]);
          for (size_t i = offsets[r]; i < offsets[r + 1]; ++i) {
            bags[r * dim + d] += static_cast<double>(weights[i]) * static_cast<double>(held[list[i] * dim + d]);
          }
        }
      }
      expect_near(harness.read(harness.op.outputs[0]), rows, 0, "rows");
      expect_near(harness.read(harness.op.outputs[1]), bags, 2e-6, "bags");
      harness.expect_sentinels();
    }
  });
}

// One entry for each of some rows of a table.
struct Update {
  static constexpr size_t kTableRows = 9;
  std::vector<uint32_t> rows = {0, 2, 3, 8}, starts = {0, 1, 2, 3, 4}, bags = {3, 1, 0, 2};
  BatchTableIndex index() const { return {rows, starts, bags, {}, {}, 0}; }

  std::vector<Bfloat16> run(const SparseOptimizer& optimizer, size_t dim, std::vector<Bfloat16> weights,
                            const std::vector<float>& gradients, std::vector<float> s0, std::vector<float> s1,
                            uint64_t rounding, size_t cut = 0) const {
    const TableView table = {nullptr, kTableRows, static_cast<int64_t>(dim), weights.data()};
    const std::array<cpu::PooledGradient, 1> pooled = {{{gradients.data(), dim}}};
    for (const auto& [first, last] : {std::pair{size_t{0}, cut}, {cut, rows.size()}}) {
      cpu::update_sparse_rows(optimizer, 0, 0.1, 1, table, s0, s1, index(), first, last, pooled, rounding);
    }
    return weights;
  }
};

constexpr std::array<SparseOptimizerKind, 4> kOptimizers = {SparseOptimizerKind::kSgd, SparseOptimizerKind::kAdagrad,
                                                            SparseOptimizerKind::kRowwiseAdagrad,
                                                            SparseOptimizerKind::kAdam};

// The same update of float32 weights is where the rounded ones are right on average; each is one of its neighbours.
TEST(KernelNarrow, UpdatesAreRightOnAverage) {
  const Update update;
  constexpr int kDraws = 400;
  for_each_isa([&] {
    for (const SparseOptimizerKind kind : kOptimizers) {
      for (const size_t dim : {3, 33, 150}) {
        SCOPED_TRACE("optimizer " + std::to_string(static_cast<int>(kind)) + ", dim " + std::to_string(dim));
        const SparseOptimizer optimizer{.kind = kind, .l2 = 0.01};
        const std::vector<Bfloat16> before = narrowed(random_floats(Update::kTableRows * dim, 1));
        const std::vector<float> gradients = random_floats(4 * dim, 2), state(Update::kTableRows * dim, 0.5f);
        std::vector<float> exact = widened(before), s0 = state, s1 = state;
        const std::array<cpu::PooledGradient, 1> pooled = {{{gradients.data(), dim}}};
        cpu::update_sparse_rows(optimizer, 0, 0.1, 1, {exact.data(), Update::kTableRows, static_cast<int64_t>(dim)}, s0,
                                s1, update.index(), 0, update.rows.size(), pooled, 0);
        std::vector<double> mean(exact.size());
        for (uint64_t draw = 0; draw < kDraws; ++draw) {
          const auto got = widened(update.run(optimizer, dim, before, gradients, state, state, draw * 7919));
          for (size_t i = 0; i < got.size(); ++i) {
            const auto below = std::bit_cast<float>(std::bit_cast<uint32_t>(exact[i]) & 0xffff0000u);
            const auto above = std::bit_cast<float>((std::bit_cast<uint32_t>(exact[i]) | 0xffffu) + 1);
            ASSERT_TRUE(got[i] == below || got[i] == above || got[i] == exact[i]) << got[i] << " for " << exact[i];
            mean[i] += static_cast<double>(got[i]) / kDraws;
          }
        }
        double deviation = 0;  // of the mean from the exact weight, in standard deviations of a fair coin's
        for (size_t i = 0; i < exact.size(); ++i) {
          const double step = std::ldexp(1.0, std::max(-126, std::ilogb(exact[i])) - 7);
          const double off = (mean[i] - static_cast<double>(exact[i])) / (step / 2 / std::sqrt(kDraws));
          deviation = std::max(deviation, std::abs(off));
        }
        EXPECT_LT(deviation, 5.5);
      }
    }
  });
}

// Gradients and weights whose results float32 holds exactly: the random bits alone could differ.
TEST(KernelNarrow, RoundsAlikeInEveryInstructionSetAndSplit) {
  const Update update;
  constexpr size_t kDim = 45;
  std::vector<float> weights(Update::kTableRows * kDim), gradients(4 * kDim);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = 1.0f + static_cast<float>(i % 128) / 128;
  for (size_t i = 0; i < gradients.size(); ++i) gradients[i] = static_cast<float>(i % 61) / 4096;
  const std::vector<Bfloat16> before = narrowed(weights);
  std::vector<std::vector<float>> results;
  for_each_isa([&] {
    const SparseOptimizer sgd{.kind = SparseOptimizerKind::kSgd};
    for (const size_t cut : {0, 1, 3}) {
      std::vector<Bfloat16> after = before;
      const TableView table = {nullptr, Update::kTableRows, kDim, after.data()};
      const std::array<cpu::PooledGradient, 1> pooled = {{{gradients.data(), kDim}}};
      cpu::update_sparse_rows(sgd, 0, 0.5, 1, table, {}, {}, update.index(), 0, cut, pooled, 77);
      cpu::update_sparse_rows(sgd, 0, 0.5, 1, table, {}, {}, update.index(), cut, 4, pooled, 77);
      results.push_back(widened(after));
    }
  });
  for (const std::vector<float>& result : results) EXPECT_EQ(result, results[0]);
  EXPECT_NE(results[0], widened(before));
}

TEST(KernelNarrow, RowsWithoutGradientStay) {
  const Update update;
  std::vector<Bfloat16> weights = narrowed(random_floats(Update::kTableRows * 4, 1));
  const std::vector<float> before = widened(weights);
  const std::array<cpu::PooledGradient, 1> nothing = {};
  std::vector<float> sums(Update::kTableRows);
  cpu::update_sparse_rows({.l2 = 1}, 0, 0.1, 1, {nullptr, Update::kTableRows, 4, weights.data()}, sums, {},
                          update.index(), 0, 4, nothing, 5);
  EXPECT_EQ(widened(weights), before);
}

}  // namespace
}  // namespace prerank::test
