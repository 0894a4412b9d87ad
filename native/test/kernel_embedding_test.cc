#include "kernel_harness.h"

namespace prerank::test {
namespace {

constexpr size_t kTableRows = 50;

struct Lists {
  std::vector<uint32_t> ids, offsets;
  std::vector<float> weights;
};

// Bags of 0 to 6 ids, every fifth empty, ids repeated now and then.
Lists random_lists(size_t rows) {
  std::mt19937 random(5);
  Lists lists;
  lists.offsets.push_back(0);
  for (size_t r = 0; r < rows; ++r) {
    const size_t length = r % 5 == 0 ? 0 : random() % 7;
    for (size_t i = 0; i < length; ++i)
      lists.ids.push_back(i == 3 ? lists.ids.back() : static_cast<uint32_t>(random() % kTableRows));
    lists.offsets.push_back(static_cast<uint32_t>(lists.ids.size()));
  }
  lists.weights = random_floats(lists.ids.size(), 6);
  return lists;
}

TEST(KernelEmbedding, PoolsEveryKindOfLookup) {
  for_each_target([] {
    for (const size_t dim : {1, 3, 7, 8, 16, 33, 64, 150}) {
      for (const size_t rows : kRowCounts) {
        SCOPED_TRACE("dim " + std::to_string(dim) + ", rows " + std::to_string(rows));
        std::vector<float> table = random_floats(kTableRows * dim, 1);
        const Lists lists = random_lists(rows);
        std::vector<uint32_t> single;
        for (size_t r = 0; r < rows; ++r) single.push_back(static_cast<uint32_t>(r * 7 % kTableRows));

        OpHarness harness("embedding", rows);
        harness.plan.tables = {{"t", kTableRows, static_cast<int64_t>(dim)}};
        harness.tables = {{table.data(), kTableRows, static_cast<int64_t>(dim)}};
        harness.plan.id_inputs = {{"one", Domain::kRow, false, false, 0},
                                  {"many", Domain::kRow, true, false, 0},
                                  {"weighted", Domain::kRow, true, true, 0}};
        harness.batch.ids = {
            {single, {}, {}}, {lists.ids, lists.offsets, {}}, {lists.ids, lists.offsets, lists.weights}};
        harness.op.lists["idInputs"] = {2, 0, 1, 1, 2};
        harness.op.lists["pooling"] = {0, 0, 1, 0, 1};
        for (int i = 0; i < 5; ++i) harness.op.outputs.push_back(harness.value(dim, random_floats(rows * dim, 9)));
        harness.run(100);

        for (size_t lookup = 0; lookup < 5; ++lookup) {
          const size_t input = static_cast<size_t>(harness.op.lists["idInputs"][lookup]);
          const bool mean = harness.op.lists["pooling"][lookup] == 1;
          std::vector<double> want(rows * dim);
          for (size_t r = 0; r < rows; ++r) {
            const size_t begin = input == 0 ? r : lists.offsets[r], end = input == 0 ? r + 1 : lists.offsets[r + 1];
            for (size_t i = begin; i < end; ++i) {
              const uint32_t id = input == 0 ? single[i] : lists.ids[i];
              const double weight = (input == 2 ? static_cast<double>(lists.weights[i]) : 1.0) /
                                    (mean ? static_cast<double>(end - begin) : 1.0);
              for (size_t d = 0; d < dim; ++d) want[r * dim + d] += weight * static_cast<double>(table[id * dim + d]);
            }
          }
          expect_near(harness.read(harness.op.outputs[lookup]), want, 2e-6, "lookup " + std::to_string(lookup));
        }
        harness.expect_sentinels();
      }
    }
  });
}

TEST(KernelEmbedding, RefusesWhatDoesNotFit) {
  std::vector<float> table(8);
  OpHarness harness("embedding", 1);
  harness.plan.tables = {{"t", 2, 4}};
  harness.tables = {{table.data(), 2, 4}};
  harness.plan.id_inputs = {{"one", Domain::kRow, false, false, 0}};
  harness.op.outputs = {harness.value(3)};
  harness.op.lists["idInputs"] = {0};
  harness.op.lists["pooling"] = {0};
  EXPECT_EQ(harness.build().status().code(), Code::kInvalidArgument);
  harness.op.outputs = {harness.value(4)};
  EXPECT_TRUE(harness.build().ok());
  harness.op.lists["idInputs"] = {1};
  EXPECT_EQ(harness.build().status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace prerank::test
