// Whole training steps of a small model against a float64 reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "program_fixture.h"

namespace prerank {
namespace {

using testing::kDense;
using testing::kDim;
using testing::kTableRows;
using testing::kWidth;
using testing::LinearBatch;
using testing::linear_plan;
using testing::linear_store;
using testing::make_program;

std::vector<double> doubles(std::span<const float> values) { return {values.begin(), values.end()}; }

// The same model in float64: SGD on the dense part, row-wise Adagrad on the table, both optionally clipped.
struct Reference {
  explicit Reference(ParameterStore& store)
      : w(doubles(store.weights(0))), b(store.weights(1)[0]), table(doubles(store.weights(2))),
        accumulator(kTableRows, 0.0) {}

  void gradients(const LinearBatch& data) {
    dw.assign(kWidth, 0);
    dtable.assign(table.size(), 0);
    db = loss = 0;
    for (size_t r = 0; r < data.batch.rows; ++r) {
      if (data.mask[r] == 0) continue;
      std::vector<double> in(kWidth, 0);
      for (int64_t c = 0; c < kDense; ++c) in[c] = data.x[r * kDense + c];
      const double n = data.offsets[r + 1] - data.offsets[r];
      for (uint32_t e = data.offsets[r]; e < data.offsets[r + 1]; ++e) {
        for (int64_t d = 0; d < kDim; ++d) in[kDense + d] += table[data.ids[e] * kDim + d] / n;
      }
      double a = b;
      for (int64_t c = 0; c < kWidth; ++c) a += w[c] * in[c];
      const double y = data.target[r], weight = data.weight[r];
      loss += weight * (std::max(a, 0.0) + std::log1p(std::exp(-std::abs(a))) - y * a);
      const double g = 1.5 * data.batch.inv_n[0] * weight * (1 / (1 + std::exp(-a)) - y);
      db += g;
      for (int64_t c = 0; c < kWidth; ++c) dw[c] += g * in[c];
      for (uint32_t e = data.offsets[r]; e < data.offsets[r + 1]; ++e) {
        for (int64_t d = 0; d < kDim; ++d) dtable[data.ids[e] * kDim + d] += g * w[kDense + d] / n;
      }
    }
  }

  double dense_norm_sq() const {
    double sum = db * db;
    for (const double g : dw) sum += g * g;
    return sum;
  }
  double sparse_norm_sq() const {
    double sum = 0;
    for (const double g : dtable) sum += g * g;
    return sum;
  }

  void update(double dense_lr, double sparse_lr, double dense_scale = 1, double sparse_scale = 1) {
    b -= dense_lr * dense_scale * db;
    for (int64_t c = 0; c < kWidth; ++c) w[c] -= dense_lr * dense_scale * dw[c];
    for (int64_t row = 0; row < kTableRows; ++row) {
      double square = 0;
      for (int64_t d = 0; d < kDim; ++d) square += std::pow(sparse_scale * dtable[row * kDim + d], 2);
      accumulator[row] += square / kDim;
      for (int64_t d = 0; d < kDim; ++d) {
        table[row * kDim + d] -= sparse_lr * sparse_scale * dtable[row * kDim + d] / (std::sqrt(accumulator[row]) + 1e-8);
      }
    }
  }

  std::vector<double> w;
  double b;
  std::vector<double> table, accumulator, dw, dtable;
  double db = 0, loss = 0;
};

void expect_near(std::span<const float> actual, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], tolerance) << "element " << i;
}

std::vector<float> all_weights(ParameterStore& store) {
  std::vector<float> result;
  for (const Slot& slot : store.parameter_slots()) result.insert(result.end(), slot.data.begin(), slot.data.end());
  for (const Slot& slot : store.state_slots()) result.insert(result.end(), slot.data.begin(), slot.data.end());
  return result;
}

TEST(ProgramStep, TrainsLikeTheReference) {
  for (const size_t threads : {1, 3}) {
    for (const size_t rows : {size_t{1}, size_t{16}, size_t{37}, size_t{100}}) {
      const auto store = linear_store();
      Reference reference(*store);
      const auto program = make_program(linear_plan(16), store, threads, 100);
      ASSERT_NE(program, nullptr);
      for (uint64_t step = 0; step < 4; ++step) {
        const LinearBatch data(rows, 10 + step);
        const Status status = program->step(data.batch, {step, 0.1, 0.05, true});
        ASSERT_TRUE(status.ok()) << status.message();
        reference.gradients(data);
        EXPECT_NEAR(program->stats()[0].loss, reference.loss, 1e-4 * (1 + reference.loss));
        reference.update(0.1, 0.05);
      }
      expect_near(store->weights(0), reference.w, 2e-5);
      expect_near(store->weights(1), {reference.b}, 2e-5);
      expect_near(store->weights(2), reference.table, 2e-5);
      expect_near(store->state(2, 0), reference.accumulator, 2e-6);
    }
  }
}

TEST(ProgramStep, SameThreadsSameBytesOtherThreadsClose) {
  std::vector<std::vector<float>> runs;
  for (const size_t threads : {3, 3, 1, 9}) {
    const auto store = linear_store(DenseOptimizerKind::kAdam);
    const auto program = make_program(linear_plan(16), store, threads, 200);
    for (uint64_t step = 0; step < 5; ++step) {
      ASSERT_TRUE(program->step(LinearBatch(130, step).batch, {step, 0.01, 0.05, true}).ok());
    }
    runs.push_back(all_weights(*store));
  }
  EXPECT_EQ(runs[0], runs[1]);
  for (const size_t other : {2, 3}) {
    for (size_t i = 0; i < runs[0].size(); ++i) EXPECT_NEAR(runs[0][i], runs[other][i], 1e-4) << i;
  }
}

TEST(ProgramStep, ReadsOutputsAndLeavesParametersWithoutUpdate) {
  const auto store = linear_store();
  const auto before = all_weights(*store);
  Reference reference(*store);
  const auto program = make_program(linear_plan(16), store, 2, 64);
  const LinearBatch data(50);
  ASSERT_TRUE(program->step(data.batch, {0, 0.1, 0.1, false}).ok());
  EXPECT_EQ(all_weights(*store), before);
  reference.gradients(data);
  std::vector<float> dw(kWidth), db(1), logit(50), wrong(49);
  ASSERT_TRUE(program->read_output(0, logit).ok());
  ASSERT_TRUE(program->read_output(1, dw).ok());
  ASSERT_TRUE(program->read_output(2, db).ok());
  expect_near(dw, reference.dw, 1e-6);
  expect_near(db, {reference.db}, 1e-6);
  EXPECT_EQ(program->read_output(0, wrong).code(), Code::kInvalidArgument);
  EXPECT_EQ(program->read_output(7, dw).code(), Code::kOutOfRange);
}

TEST(ProgramStep, ClipsByGlobalNormInEitherScope) {
  for (const ClipScope scope : {ClipScope::kDense, ClipScope::kAll}) {
    const auto store = linear_store();
    Reference reference(*store);
    ProgramOptions options;
    options.clip_norm = 0.01;
    options.clip_scope = scope;
    const auto program = make_program(linear_plan(16), store, 2, 64, options);
    const LinearBatch data(64);
    ASSERT_TRUE(program->step(data.batch, {0, 0.5, 0.05, true}).ok());
    reference.gradients(data);
    const bool all = scope == ClipScope::kAll;
    const double norm = std::sqrt(reference.dense_norm_sq() + (all ? reference.sparse_norm_sq() : 0));
    ASSERT_GT(norm, 0.01);
    EXPECT_NEAR(program->gradient_norm(), norm, 1e-5 * norm);
    const double scale = 0.01 / (norm + 1e-6);
    reference.update(0.5, 0.05, scale, all ? scale : 1);
    expect_near(store->weights(0), reference.w, 2e-6);
    expect_near(store->state(2, 0), reference.accumulator, 1e-7);
  }
}

TEST(ProgramStep, NonFiniteLossChangesNothing) {
  const auto store = linear_store(DenseOptimizerKind::kAdam);
  const auto program = make_program(linear_plan(16), store, 3, 64);
  ASSERT_TRUE(program->step(LinearBatch(60).batch, {0, 0.1, 0.1, true}).ok());
  const auto before = all_weights(*store);
  LinearBatch data(60);
  data.mask[41] = data.mask[50] = 1;
  data.x[41 * kDense + 1] = std::numeric_limits<float>::quiet_NaN();
  data.x[50 * kDense] = std::numeric_limits<float>::infinity();
  const Status status = program->step(data.batch, {1, 0.1, 0.1, true});
  EXPECT_EQ(status.code(), Code::kNonFinite);
  EXPECT_NE(status.message().find("click"), std::string::npos) << status.message();
  EXPECT_EQ(program->stats()[0].first_row, 41);
  EXPECT_EQ(program->stats()[0].nonfinite, 2);
  EXPECT_EQ(all_weights(*store), before);
}

TEST(ProgramStep, AcceptsEmptyBatchesAndRefusesLargeOnes) {
  const auto store = linear_store();
  const auto before = all_weights(*store);
  const auto program = make_program(linear_plan(16), store, 2, 32);
  EXPECT_TRUE(program->step(LinearBatch(0).batch, {0, 0.1, 0.1, true}).ok());
  EXPECT_EQ(program->stats()[0].count, 0);
  EXPECT_EQ(all_weights(*store), before);
  const Status large = program->step(LinearBatch(33).batch, {0, 0.1, 0.1, true});
  EXPECT_EQ(large.code(), Code::kInvalidArgument);
  EXPECT_NE(large.message().find("capacity of 32"), std::string::npos) << large.message();
}

TEST(ProgramStep, RefusesBatchesThatDoNotFitThePlan) {
  const auto program = make_program(linear_plan(16), linear_store(), 1, 32);
  const auto refused = [&](auto change) {
    LinearBatch data(20);
    change(data.batch);
    return program->step(data.batch, {0, 0.1, 0.1, true}).code() == Code::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](Batch& b) { b.dense.clear(); }));
  EXPECT_TRUE(refused([](Batch& b) { b.dense[0] = nullptr; }));
  EXPECT_TRUE(refused([](Batch& b) { b.ids.clear(); }));
  EXPECT_TRUE(refused([](Batch& b) { b.ids[0].offsets = b.ids[0].offsets.first(20); }));
  EXPECT_TRUE(refused([](Batch& b) { b.task_mask = {}; }));
  EXPECT_TRUE(refused([](Batch& b) { b.targets.clear(); }));
  EXPECT_TRUE(refused([](Batch& b) { b.inv_n.clear(); }));
  EXPECT_TRUE(refused([](Batch& b) { b.table_index.clear(); }));
  LinearBatch data(20);
  EXPECT_EQ(program->predict(data.batch).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace prerank
