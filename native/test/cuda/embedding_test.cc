// Lookups on the device where the kernel tests' views do not lead: aligned ones, wide launches, many lookups.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "cuda/device.h"
#include "cuda/kernel.h"
#include "held_weights.h"
#include "kernel_harness.h"

namespace prerank::test {
namespace {

constexpr size_t kTableRows = 40;

// An operation with lookups of one table into the columns of one root, which begin `first` floats behind an aligned
// address.
struct Lookups {
  Lookups(size_t width_of_table, size_t lookups, size_t bags, TableType type, size_t shift)
      : dim(width_of_table), count(lookups), rows(bags), own(bags), first(shift) {
    stride = (first + dim * count + 3) / 4 * 4;
    output.assign(rows * stride, -1.0f);
    table = HeldWeights(type, random_floats(kTableRows * dim, 3));
    held = table.values();
    const auto width = static_cast<int64_t>(dim);
    tables = {{table.view(), kTableRows, width}};
    plan.tables = {{"t", kTableRows, width}};
    plan.id_inputs = {{"one", Domain::kRow, false, false, 0}, {"many", Domain::kRow, true, false, 0}};
    for (size_t r = 0; r < rows; ++r) single.push_back(static_cast<uint32_t>(r * 7 % kTableRows));
    offsets.push_back(0);
    for (size_t r = 0; r < rows; ++r) {
      // Now and then more than a group has in flight.
      for (size_t i = r % 37 == 5 ? 21 : r % 4; i > 0; --i) {
        list.push_back(static_cast<uint32_t>((r + i * i) % kTableRows));
      }
      offsets.push_back(static_cast<uint32_t>(list.size()));
    }
    op.kind = "embedding";
    op.layer = "test";
    for (size_t i = 0; i < count; ++i) {
      PlanValue value;
      value.domain = Domain::kRow;
      value.width = width;
      value.stride = static_cast<int64_t>(stride);
      op.outputs.push_back(static_cast<int32_t>(i));
      op.lists["idInputs"].push_back(static_cast<double>(i % 2));
      op.lists["pooling"].push_back(i % 4 == 3 ? 1 : 0);
      plan.values.push_back(value);
    }
  }

  void run() {
    cuda::DeviceBuild build;
    build.plan = &plan;
    build.op = &op;
    build.tables = tables;
    build.rows = rows;
    const auto kernel = cuda::make_cuda_kernel(build);
    ASSERT_TRUE(kernel.ok()) << kernel.status().message();
    const uint32_t last = own == 0 ? 0 : static_cast<uint32_t>(own - 1);
    const std::vector<cuda::DeviceIds> ids = {{single.data(), nullptr, nullptr, last},
                                              {list.data(), offsets.data(), nullptr, last}};
    auto stream = cuda::make_stream();
    std::vector<float*> base;
    for (size_t i = 0; i < count; ++i) base.push_back(output.data() + first + i * dim);
    cuda::DeviceContext context;
    context.rows = rows;
    context.base = base;
    context.stream = stream.value().get();
    context.input.ids = ids.data();
    const Status status = kernel.value()->enqueue(context);
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
  }

  void expect_pooled() const {
    for (size_t r = 0; r < rows; ++r) {
      for (size_t i = 0; i < count; ++i) {
        const size_t bag = std::min(r, own - 1);
        const size_t begin = i % 2 == 0 ? bag : offsets[bag], end = i % 2 == 0 ? bag + 1 : offsets[bag + 1];
        const double scale = i % 4 == 3 && end > begin ? 1 / static_cast<double>(end - begin) : 1;
        for (size_t d = 0; d < dim; ++d) {
          double want = 0;
          for (size_t k = begin; k < end; ++k) {
            want += scale * static_cast<double>(held[(i % 2 == 0 ? single[k] : list[k]) * dim + d]);
          }
          ASSERT_NEAR(output[r * stride + first + i * dim + d], want, 1e-5) << "row " << r << ", lookup " << i;
        }
      }
      for (size_t c = 0; c < stride; ++c) {
        if (c >= first && c < first + count * dim) continue;
        ASSERT_EQ(output[r * stride + c], -1.0f) << "written outside";
      }
    }
  }

  // Leaves `bags` of its own to the batch: the ids of those behind them are no ids.
  void keep(size_t bags) {
    own = bags;
    list.resize(offsets[own]);
    single.resize(own);
    single.resize(rows, 0xffffffffu);
    std::fill(offsets.begin() + static_cast<ptrdiff_t>(own) + 1, offsets.end(), 0xffffffffu);
  }

  size_t dim, count, rows, own, first, stride = 0;
  std::vector<float> output, held;
  HeldWeights table;
  std::vector<uint32_t> single, list, offsets;
  std::vector<TableView> tables;
  Plan plan;
  PlanOp op;
};

TEST(CudaEmbedding, FillsAlignedAndOtherViews) {
  for (const TableType type : kEveryTableType) {
    for (const size_t dim : {1, 4, 6, 8, 12, 16, 64, 128, 136, 260}) {
      for (const size_t first : {0, 4, 1}) {
        for (const size_t rows : {0, 1, 70}) {
          SCOPED_TRACE(std::string(name_of(type)) + ", dim " + std::to_string(dim) + ", first " +
                       std::to_string(first) + ", rows " + std::to_string(rows));
          Lookups lookups(dim, 4, rows, type, first);
          lookups.run();
          lookups.expect_pooled();
        }
      }
    }
  }
}

TEST(CudaEmbedding, TakesMoreLookupsThanOneLaunch) {
  Lookups lookups(4, 300, 9, TableType::kFloat32, 0);
  lookups.run();
  lookups.expect_pooled();
}

TEST(CudaEmbedding, TakesMoreRowsThanItsThreads) {
  Lookups lookups(29, 2, 140000, TableType::kFloat32, 0);
  lookups.run();
  lookups.expect_pooled();
}

TEST(CudaEmbedding, GivesRowsBehindTheBatchsOwnTheLastOnesVectors) {
  for (const TableType type : kEveryTableType) {
    for (const size_t own : {1, 64, 79}) {
      Lookups lookups(8, 4, 90, type, 0);
      lookups.keep(own);
      lookups.run();
      lookups.expect_pooled();
    }
  }
}

}  // namespace
}  // namespace prerank::test
