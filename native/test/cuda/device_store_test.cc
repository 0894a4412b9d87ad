// Values that move to a device: of tables drawn at once and of lazy ones, in the device's memory and in the host's.
#include "cuda/device_store.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "held_weights.h"
#include "prerank/parameter_store.h"

namespace prerank::test {
namespace {

constexpr int64_t kRows = 101, kDim = 7;

std::shared_ptr<ParameterStore> store_of(TableType type, SparseOptimizerKind optimizer, bool host, bool lazy) {
  ParameterStore::Options options;
  options.parameters = {{.name = "tower.weight", .shape = {3, 5}, .init = {InitKind::kUniform, 0.5}},
                        {.name = "embeddings.ad",
                         .shape = {kRows, kDim},
                         .init = {InitKind::kNormal, 0.1},
                         .table = true,
                         .host = host}};
  options.sparse.kind = optimizer;
  options.sparse.initial_accumulator = 0.1;
  options.table_type = type;
  options.device.cuda = 0;
  options.eager_bytes = lazy ? 1 : 0;
  auto store = ParameterStore::create(std::move(options));
  EXPECT_TRUE(store.ok()) << store.status().message();
  return std::move(store).value();
}

TEST(DeviceStore, HoldsTheValuesOfAnyStore) {
  for (const TableType type : kEveryTableType) {
    for (const SparseOptimizerKind optimizer : {SparseOptimizerKind::kRowwiseAdagrad, SparseOptimizerKind::kAdam}) {
      for (const bool host : {false, true}) {
        for (const bool lazy : {false, true}) {
          SCOPED_TRACE(testing::Message() << name_of(type) << ", host " << host
                                          << ", lazy " << lazy);
          const auto store = store_of(type, optimizer, host, lazy), expected = store_of(type, optimizer, false, false);
          ASSERT_EQ(store->lazy(1), lazy);
          if (lazy) {
            // Slots in another order than the rows.
            const std::vector<uint32_t> rows = {100, 3, 17, 0};
            std::vector<uint32_t> slots(rows.size());
            store->touch(1, rows, slots);
          }
          std::vector<std::string> names;
          for (const Slot& slot : store->parameter_slots()) names.push_back(slot.name);
          for (const Slot& slot : store->state_slots()) names.push_back(slot.name);
          const auto mirror = cuda::DeviceStore::of(*store);
          ASSERT_TRUE(mirror.ok()) << mirror.status().message();
          for (const std::string& name : names) EXPECT_EQ(store->read(name).value(), expected->read(name).value()) << name;
          std::vector<float> values(static_cast<size_t>(kRows * kDim), 0.25f);
          ASSERT_TRUE(store->write("embeddings.ad", values).ok());
          EXPECT_EQ(store->read("embeddings.ad").value(), values);
        }
      }
    }
  }
}

}  // namespace
}  // namespace prerank::test
