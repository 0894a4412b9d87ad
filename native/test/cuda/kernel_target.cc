// OpHarness in prerank_cuda_tests: the CUDA kernels on the emulated device, whose memory is the host's, so that its
// addresses are ours.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "cuda/device.h"
#include "cuda/kernel.h"
#include "cuda/products.h"
#include "kernel_harness.h"

namespace prerank::test {
namespace {

// For vectors of four, and row behind row.
constexpr Layout kAlignedLayout = {"aligned", 8, [](size_t width) { return (width + 3) / 4 * 4 + 8; }};
constexpr Layout kContiguousLayout = {"contiguous", 8, [](size_t width) { return width; }};

// The emulated device's library holds a cuBLASLt, too.
template <MatmulPrecision kPrecision>
std::shared_ptr<const cuda::Products> emulated_products() {
  static const auto products = [] {
    setenv("PRERANK_CUBLASLT", PRERANK_EMULATED_LIBRARY, 1);
    return cuda::Products::create(kPrecision);
  }();
  EXPECT_TRUE(products.ok()) << products.status().message();
  return products.ok() ? products.value() : nullptr;
}

std::shared_ptr<const cuda::Products> emulated_products(MatmulPrecision precision) {
  switch (precision) {
    case MatmulPrecision::kTf32: return emulated_products<MatmulPrecision::kTf32>();
    case MatmulPrecision::kBfloat16: return emulated_products<MatmulPrecision::kBfloat16>();
    default: return emulated_products<MatmulPrecision::kFloat32>();
  }
}

Result<std::unique_ptr<cuda::DeviceKernel>> build_on_device(const OpHarness& harness) {
  cuda::DeviceBuild build;
  build.plan = &harness.plan;
  build.op = &harness.op;
  build.segment_domain = harness.segment();
  build.tables = harness.tables;
  build.rows = std::max(harness.batch.rows, harness.rows());
  build.requests = std::max(harness.batch.requests, harness.rows());
  build.products = emulated_products(harness.device_products);
  return cuda::make_cuda_kernel(build);
}

}  // namespace

void for_each_target(const std::function<void()>& body) {
  for (const Layout* each : {&kOddLayout, &kAlignedLayout, &kContiguousLayout}) {
    SCOPED_TRACE(std::string("emulated device, layout ") + each->name);
    use_layout(*each);
    body();
  }
  use_layout(kOddLayout);
}

Status OpHarness::build_status() { return build_on_device(*this).status(); }

void OpHarness::run(size_t) {
  const auto kernel = build_on_device(*this);
  ASSERT_TRUE(kernel.ok()) << kernel.status().message();
  auto stream = cuda::make_stream();
  ASSERT_TRUE(stream.ok());

  const std::vector<float*> base = addresses();
  std::vector<cuda::DeviceIds> ids;
  for (const BatchIds& of : batch.ids) {
    const size_t bags = of.offsets.empty() ? of.ids.size() : of.offsets.size() - 1;
    ids.push_back({of.ids.data(), of.offsets.empty() ? nullptr : of.offsets.data(),
                   of.weights.empty() ? nullptr : of.weights.data(), bags == 0 ? 0 : static_cast<uint32_t>(bags - 1)});
  }
  const cuda::StepNumbers numbers = {.seed = seed, .step = step, .training = training ? 1u : 0u};
  stats.assign(plan.tasks.size(), TaskStats());
  cuda::DeviceContext context;
  context.rows = rows();
  context.seed = seed;
  context.step = step;
  context.training = training;
  context.base = base;
  context.stream = stream.value().get();
  context.input = {ids.data(),
                   batch.request_of_row.data(),
                   batch.request_offsets.data(),
                   batch.task_mask.data(),
                   batch.targets.data(),
                   batch.inv_n.data(),
                   &batch.weight};
  context.device = {.numbers = &numbers, .stats = stats.data()};
  context.batch_rows = batch.rows;
  context.batch_requests = batch.requests;
  const Status enqueued = kernel.value()->enqueue(context);
  ASSERT_TRUE(enqueued.ok()) << enqueued.message();
  ASSERT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
}

}  // namespace prerank::test
