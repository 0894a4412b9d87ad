// The norm of table gradients on the device against the CPU's.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "cuda/sparse_model.h"

namespace prerank::test {
namespace {

TEST(CudaSparseNorm, IsTheCpus) {
  for (const SparseOptimizerKind kind : {SparseOptimizerKind::kSgd, SparseOptimizerKind::kRowwiseAdagrad}) {
    for (const std::array<int64_t, 3> dims : {std::array<int64_t, 3>{16, 3, 40}, {300, 150, 8}, {1, 1024, 64}}) {
      SparseModel model(shared_plan(dims), kind,
                        kind == SparseOptimizerKind::kSgd ? TableType::kBfloat16 : TableType::kFloat32, kSharedLimits);
      model.set_gradients(1500, 3, 0);
      auto update = model.device(1500, 60);
      ASSERT_TRUE(update.ok()) << update.status().message();
      const std::vector<SparseTableData> before = model.tables;
      for (const size_t rows : {1500, 1, 0}) {
        SparseBatch ids(model.plan, rows, rows / 30, 4, kSharedLimits, 2);
        const double want = model.norm_on_cpu(ids), got = run_norm(update.value(), ids);
        EXPECT_NEAR(got, want, 2e-6 * want) << rows << " rows, dim " << dims[0];
      }
      EXPECT_TRUE(model.tables == before);
    }
  }
}

}  // namespace
}  // namespace prerank::test
