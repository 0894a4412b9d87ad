// Batches on their way to the device.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "cuda/batch_slot.h"

namespace prerank::test {
namespace {

// A loader may group rows by request though the plan has no use for it: there is no place for that in the slot.
TEST(CudaBatchSlot, LeavesOutRequestsThatThePlanDoesNotUse) {
  constexpr size_t kRows = 64;
  Plan plan;
  plan.tables.push_back({"ads", 100, 4});
  plan.id_inputs.push_back({"ad", Domain::kRow, false, false, 0});
  auto slot = cuda::BatchSlot::create(plan, {.rows = kRows});
  ASSERT_TRUE(slot.ok());
  std::vector<uint32_t> ids(kRows), requests(kRows), offsets(kRows + 1);
  for (uint32_t r = 0; r < kRows; ++r) {
    ids[r] = 99 - r;
    requests[r] = r;
    offsets[r + 1] = r + 1;
  }
  Batch batch;
  batch.rows = batch.requests = kRows;
  batch.ids.push_back({ids, {}, {}});
  batch.request_of_row = requests;
  batch.request_offsets = offsets;
  auto stream = cuda::make_stream();
  ASSERT_TRUE(stream.ok() && slot.value().fill(batch, {kRows, 0}, {}).ok());
  ASSERT_TRUE(slot.value().enqueue_copy(stream.value().get()).ok());
  ASSERT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
  const cuda::DeviceIds& sent = slot.value().batch().ids[0];
  EXPECT_EQ(std::vector<uint32_t>(sent.ids, sent.ids + kRows), ids);
}

// Memory that an earlier, larger batch has filled with NaN and bits of 1.
TEST(CudaBatchSlot, PadsWithCopiesOfTheLastRowThatTrainNothing) {
  constexpr size_t kRows = 8, kRequests = 4;
  Plan plan;
  plan.dense_inputs = {{"price", Domain::kRow, 2}, {"age", Domain::kRequest, 1}};
  plan.tables.push_back({"ads", 100, 4});
  plan.id_inputs = {{"ad", Domain::kRow, false, false, 0}, {"seen", Domain::kRequest, true, false, 0}};
  plan.tasks.resize(1);
  auto slot = cuda::BatchSlot::create(plan, {.rows = kRows, .requests = kRequests, .request_domain = true});
  auto stream = cuda::make_stream();
  ASSERT_TRUE(slot.ok() && stream.ok());
  const std::vector<float> spoilt(2 * kRows, std::numeric_limits<float>::quiet_NaN());
  const std::vector<uint32_t> ones(kRows, 0xffffffffu), offsets = {0, 2, 4, 6, 8}, request_of_row = {0, 0, 1, 1, 2, 2, 3, 3};
  Batch batch;
  batch.rows = kRows;
  batch.requests = kRequests;
  batch.dense = {spoilt.data(), spoilt.data()};
  batch.ids = {{ones, {}, {}}, {ones, offsets, {}}};
  batch.request_of_row = request_of_row;
  batch.request_offsets = offsets;
  batch.task_mask = ones;
  batch.targets = {spoilt.data()};
  batch.inv_n = {1};
  batch.weight = spoilt.data();
  const auto send = [&](const cuda::BatchSize& size) {
    ASSERT_TRUE(slot.value().fill(batch, size, {}).ok());
    ASSERT_TRUE(slot.value().enqueue_copy(stream.value().get()).ok());
    ASSERT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
  };
  send({kRows, kRequests});
  const std::vector<float> prices = {1, 2, 3, 4, 5, 6}, ages = {20, 30};
  const std::vector<uint32_t> ids = {7, 8, 9}, few_offsets = {0, 1, 3};
  batch.rows = 3;
  batch.requests = 2;
  batch.dense = {prices.data(), ages.data()};
  batch.ids = {{ids, {}, {}}, {ids, few_offsets, {}}};
  batch.request_of_row = batch.request_of_row.subspan(1, 3);
  batch.request_offsets = few_offsets;
  batch.task_mask = batch.task_mask.first(3);
  send({5, 4});
  const cuda::DeviceBatch& sent = slot.value().batch();
  const auto of = [](const auto* values, size_t count) { return std::vector(values, values + count); };
  EXPECT_EQ(of(slot.value().dense(0), 10), (std::vector<float>{1, 2, 3, 4, 5, 6, 5, 6, 5, 6}));
  EXPECT_EQ(of(slot.value().dense(1), 4), (std::vector<float>{20, 30, 30, 30}));
  EXPECT_EQ(of(sent.task_mask, 5), (std::vector<uint32_t>{~0u, ~0u, ~0u, 0, 0}));
  EXPECT_EQ(of(sent.request_of_row, 5), (std::vector<uint32_t>{0, 1, 1, 1, 1}));
  EXPECT_EQ(of(sent.request_offsets, 5), (std::vector<uint32_t>{0, 1, 3, 3, 3}));
  EXPECT_EQ(sent.ids[0].last, 2u);
  EXPECT_EQ(sent.ids[1].last, 1u);
}

}  // namespace
}  // namespace prerank::test
