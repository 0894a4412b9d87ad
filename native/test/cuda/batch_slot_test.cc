// Batches on their way to the device.
#include <gtest/gtest.h>

#include <cstdint>
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
  ASSERT_TRUE(stream.ok() && slot.value().fill(batch, {}).ok());
  ASSERT_TRUE(slot.value().enqueue_copy(stream.value().get()).ok());
  ASSERT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
  const cuda::DeviceIds& sent = slot.value().batch().ids[0];
  EXPECT_EQ(std::vector<uint32_t>(sent.ids, sent.ids + kRows), ids);
}

}  // namespace
}  // namespace prerank::test
