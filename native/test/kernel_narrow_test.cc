// Tables of 16 bits: lookups and updates against float64, and the rounding of what is stored.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "base/table_rounding.h"
#include "cpu/optimizers.h"
#include "held_weights.h"
#include "kernel_harness.h"

namespace prerank::test {
namespace {

TEST(Bfloat16, RoundsToTheNearestAndTiesToEven) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> from = {1, 1.00390625f, 1.01171875f, 1.00390637f, -1.00390625f, 0, -infinity, 3.4e38f, 1e-40f};
  const std::vector<float> want = {1, 1, 1.015625f, 1.0078125f, -1, 0, -infinity, infinity, 9.1835496e-41f};
  const std::vector<float> got = held(TableType::kBfloat16, from);
  for (size_t i = 0; i < from.size(); ++i) EXPECT_EQ(got[i], want[i]) << from[i];
  EXPECT_TRUE(std::isnan(held(TableType::kBfloat16, std::vector<float>{std::nanf("1")})[0]));
  const std::vector<float> exact = held(TableType::kBfloat16, random_floats(100, 3));
  EXPECT_EQ(held(TableType::kBfloat16, exact), exact) << "what is rounded stays";
}

class KernelNarrow : public ::testing::TestWithParam<TableType> {};
INSTANTIATE_TEST_SUITE_P(Types, KernelNarrow, ::testing::ValuesIn(kNarrowTypes),
                         [](const auto& type) { return name_of(type.param); });

TEST_P(KernelNarrow, LooksUpAndPools) {
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
      HeldWeights table(GetParam(), random_floats(kRows * dim, 1));
      const std::vector<float> values = table.values();
      OpHarness harness("embedding", kBags);
      harness.plan.tables = {{"t", kRows, static_cast<int64_t>(dim)}};
      harness.tables = {{table.view(), kRows, static_cast<int64_t>(dim)}};
      harness.plan.id_inputs = {{"one", Domain::kRow, false, false, 0}, {"weighted", Domain::kRow, true, true, 0}};
      harness.batch.ids = {{single, {}, {}}, {list, offsets, weights}};
      harness.op.lists["idInputs"] = {0, 1};
      harness.op.lists["pooling"] = {0, 0};
      for (int i = 0; i < 2; ++i) harness.op.outputs.push_back(harness.value(dim, random_floats(kBags * dim, 9)));
      harness.run(16);
      std::vector<double> rows(kBags * dim), bags(kBags * dim);
      for (size_t r = 0; r < kBags; ++r) {
        for (size_t d = 0; d < dim; ++d) {
          rows[r * dim + d] = static_cast<double>(values[single[r] * dim + d]);
          for (size_t i = offsets[r]; i < offsets[r + 1]; ++i) {
            bags[r * dim + d] += static_cast<double>(weights[i]) * static_cast<double>(values[list[i] * dim + d]);
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

  HeldWeights run(const SparseOptimizer& optimizer, size_t dim, HeldWeights weights,
                  const std::vector<float>& gradients, std::vector<float> s0, std::vector<float> s1, uint64_t rounding,
                  double lr = 0.1, size_t cut = 0) const {
    const TableView table = {weights.view(), kTableRows, static_cast<int64_t>(dim)};
    const std::array<cpu::PooledGradient, 1> pooled = {{{gradients.data(), dim}}};
    for (const auto& [first, last] : {std::pair{size_t{0}, cut}, {cut, rows.size()}}) {
      cpu::update_sparse_rows(optimizer, 0, lr, 1, table, s0, s1, index(), first, last, pooled, rounding);
    }
    return weights;
  }
};

constexpr std::array<SparseOptimizerKind, 4> kOptimizers = {SparseOptimizerKind::kSgd, SparseOptimizerKind::kAdagrad,
                                                            SparseOptimizerKind::kRowwiseAdagrad,
                                                            SparseOptimizerKind::kAdam};

// The same update of float32 weights is where the rounded ones are right on average; each is one of its neighbours.
TEST_P(KernelNarrow, UpdatesAreRightOnAverage) {
  const Update update;
  constexpr int kDraws = 400;
  for_each_isa([&] {
    for (const SparseOptimizerKind kind : kOptimizers) {
      for (const size_t dim : {3, 33, 150}) {
        SCOPED_TRACE("optimizer " + std::to_string(static_cast<int>(kind)) + ", dim " + std::to_string(dim));
        const SparseOptimizer optimizer{.kind = kind, .l2 = 0.01};
        const HeldWeights before(GetParam(), random_floats(Update::kTableRows * dim, 1));
        const std::vector<float> gradients = random_floats(4 * dim, 2), state(Update::kTableRows * dim, 0.5f);
        std::vector<float> exact = before.values(), s0 = state, s1 = state;
        const std::array<cpu::PooledGradient, 1> pooled = {{{gradients.data(), dim}}};
        cpu::update_sparse_rows(optimizer, 0, 0.1, 1, {exact.data(), Update::kTableRows, static_cast<int64_t>(dim)}, s0,
                                s1, update.index(), 0, update.rows.size(), pooled, 0);
        std::vector<double> mean(exact.size());
        for (uint64_t draw = 0; draw < kDraws; ++draw) {
          const auto got = update.run(optimizer, dim, before, gradients, state, state, draw * 7919).values();
          for (size_t i = 0; i < got.size(); ++i) {
            const double spacing = spacing_of(GetParam(), exact[i]), places = static_cast<double>(exact[i]) / spacing;
            const auto at = static_cast<double>(got[i]);
            ASSERT_TRUE(at == std::floor(places) * spacing || at == std::ceil(places) * spacing)
                << got[i] << " for " << exact[i];
            mean[i] += at / kDraws;
          }
        }
        double deviation = 0;  // of the mean from the exact weight, in standard deviations of a fair coin's
        for (size_t i = 0; i < exact.size(); ++i) {
          const double step = spacing_of(GetParam(), exact[i]);
          const double off = (mean[i] - static_cast<double>(exact[i])) / (step / 2 / std::sqrt(kDraws));
          deviation = std::max(deviation, std::abs(off));
        }
        EXPECT_LT(deviation, 5.5);
      }
    }
  });
}

// Steps from 0 by a gradient: what is stored is the rounded negative gradient, whatever its size.
struct Steps {
  static constexpr size_t kDim = 173;

  static std::vector<float> stored(TableType type, const std::vector<float>& gradients, uint64_t rounding) {
    const HeldWeights zeros(type, std::vector<float>(Update::kTableRows * kDim));
    return Update().run({.kind = SparseOptimizerKind::kSgd}, kDim, zeros, gradients, {}, {}, rounding, 1).values();
  }
  // Which number of the table belongs to a gradient.
  static size_t place(size_t gradient) {
    const Update update;
    const size_t bag = gradient / kDim;
    const auto entry = static_cast<size_t>(std::ranges::find(update.bags, bag) - update.bags.begin());
    return update.rows[entry] * kDim + gradient % kDim;
  }
};

// Every instruction set rounds as base/table_rounding.h says, from the smallest float32 to what is not finite.
TEST_P(KernelNarrow, RoundsAsDefined) {
  constexpr uint64_t kRounding = 77;
  std::mt19937 random(5);
  std::vector<float> gradients(4 * Steps::kDim);
  for (size_t i = 0; i < gradients.size(); ++i) {
    const auto exponent = static_cast<uint32_t>(i % 256);
    gradients[i] = std::bit_cast<float>(exponent << 23 | (static_cast<uint32_t>(random()) & 0x807fffffu));
    if (i % 50 == 3) gradients[i] = std::numeric_limits<float>::infinity();
  }
  const bool half = GetParam() == TableType::kFloat16;
  for_each_isa([&] {
    const std::vector<float> got = Steps::stored(GetParam(), gradients, kRounding);
    for (size_t i = 0; i < gradients.size(); ++i) {
      const size_t place = Steps::place(i);
      const uint64_t keys = row_rounding(kRounding, static_cast<uint32_t>(place / Steps::kDim));
      const uint32_t bits = std::bit_cast<uint32_t>(-gradients[i]);
      const uint32_t column = column_rounding(keys, static_cast<uint32_t>(place % Steps::kDim));
      const uint32_t want = half ? rounded_to_float16(bits, column) : rounded_to_bfloat16(bits, column);
      if (std::isnan(gradients[i])) {
        ASSERT_TRUE(!half || std::isnan(got[place])) << i;
        continue;
      }
      const auto stored = static_cast<uint16_t>(want);
      float value = std::bit_cast<float>(want << 16);
      if (half) read_weights(weights_at(TableType::kFloat16, const_cast<uint16_t*>(&stored)), std::span(&value, 1));
      ASSERT_EQ(std::bit_cast<uint32_t>(got[place]), std::bit_cast<uint32_t>(value)) << i << ": " << -gradients[i];
    }
  });
}

// Also where the spacing no longer follows the value: what is left of the smallest normal Float16 down to a
// hundredth of its spacing.
TEST(KernelNarrowSubnormals, AreRightOnAverage) {
  constexpr int kDraws = 4000;
  std::vector<float> gradients = random_floats(4 * Steps::kDim, 8, -1, 1);
  for (size_t i = 0; i < gradients.size(); ++i) gradients[i] = std::ldexp(gradients[i], -14 - static_cast<int>(i % 20));
  for_each_isa([&] {
    std::vector<double> mean(Update::kTableRows * Steps::kDim);
    for (uint64_t draw = 0; draw < kDraws; ++draw) {
      const std::vector<float> got = Steps::stored(TableType::kFloat16, gradients, draw * 7919);
      for (size_t i = 0; i < got.size(); ++i) mean[i] += static_cast<double>(got[i]) / kDraws;
    }
    for (size_t i = 0; i < gradients.size(); ++i) {
      const double exact = -static_cast<double>(gradients[i]), spacing = 0x1p-24;
      const double up = exact / spacing - std::floor(exact / spacing);
      const double deviation = spacing * std::sqrt(up * (1 - up) / kDraws);
      // Beside what is normally distributed, one draw: so little may be as much as one of all.
      ASSERT_NEAR(mean[Steps::place(i)], exact, 5 * deviation + spacing / kDraws) << i;
    }
  });
}

// Gradients and weights whose results float32 holds exactly: the random bits alone could differ.
TEST_P(KernelNarrow, RoundsAlikeInEveryInstructionSetAndSplit) {
  const Update update;
  constexpr size_t kDim = 45;
  std::vector<float> weights(Update::kTableRows * kDim), gradients(4 * kDim);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = 1.0f + static_cast<float>(i % 128) / 128;
  for (size_t i = 0; i < gradients.size(); ++i) gradients[i] = static_cast<float>(i % 61) / 4096;
  const HeldWeights before(GetParam(), weights);
  std::vector<HeldWeights> results;
  for_each_isa([&] {
    const SparseOptimizer sgd{.kind = SparseOptimizerKind::kSgd};
    for (const size_t cut : {0, 1, 3}) {
      results.push_back(update.run(sgd, kDim, before, gradients, {}, {}, 77, 0.5, cut));
    }
  });
  for (const HeldWeights& result : results) EXPECT_TRUE(result == results[0]);
  EXPECT_FALSE(results[0] == before);
}

TEST_P(KernelNarrow, RowsWithoutGradientStay) {
  const Update update;
  HeldWeights weights(GetParam(), random_floats(Update::kTableRows * 4, 1));
  const HeldWeights before = weights;
  const std::array<cpu::PooledGradient, 1> nothing = {};
  std::vector<float> sums(Update::kTableRows);
  cpu::update_sparse_rows({.l2 = 1}, 0, 0.1, 1, {weights.view(), Update::kTableRows, 4}, sums, {},
                          update.index(), 0, 4, nothing, 5);
  EXPECT_TRUE(weights == before);
}

}  // namespace
}  // namespace prerank::test
