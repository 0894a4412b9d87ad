// What CUDA refuses, or leaves undefined, the emulated device refuses too; and what that means for captured steps.
#include <gtest/gtest.h>

#include <cuda_runtime.h>
#include <unistd.h>

#include <fstream>
#include <thread>
#include <vector>

#include "cuda/device.h"
#include "cuda/launch.h"
#include "cuda/step_graphs.h"

namespace prerank::test {
namespace {

__global__ void add_one(float* x) { x[threadIdx.x] += 1; }

__global__ void shuffle_after_return(float* x) {
  if (threadIdx.x % 32 == 31) return;
  x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
}

__global__ void shuffle_before_return(float* x) {
  if (threadIdx.x % 32 == 0) return;
  x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
}

__global__ void shuffle_in_branches(float* x) {
  if (threadIdx.x % 2 == 0) {
    x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 2);
  } else {
    x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 4);
  }
}

__global__ void shuffle_in_half(float* x) {
  if (threadIdx.x < 16) x[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, x[threadIdx.x], 1);
}

__global__ void meet_in_branches(float* x) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  x[threadIdx.x] = 0;
}

__global__ void meet(float*) { __syncthreads(); }

// Of the process's address space.
size_t mapped_bytes() {
  size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

class EmulatedDevice : public testing::Test {
 protected:
  void SetUp() override {
    auto made = cuda::make_stream();
    auto memory = cuda::DeviceBuffer::floats(64, "a test");
    ASSERT_TRUE(made.ok() && memory.ok());
    stream_ = std::move(made).value();
    memory_ = std::move(memory).value();
    ASSERT_EQ(cudaMemsetAsync(x(), 0, memory_.bytes(), stream()), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(stream()), cudaSuccess);
  }

  void run(void (*kernel)(float*), unsigned int threads) {
    ASSERT_TRUE(cuda::launch(stream(), 1, threads, kernel, x()).ok());
    ASSERT_EQ(cudaStreamSynchronize(stream()), cudaSuccess);
  }

  cudaStream_t stream() const { return stream_.get(); }
  float* x() const { return memory_.as<float>(); }

  cuda::Stream stream_;
  cuda::DeviceBuffer memory_;
};

using EmulatedDeviceDeath = EmulatedDevice;

TEST_F(EmulatedDeviceDeath, RefusesCollectivesOfDividedWarps) {
  EXPECT_DEATH(run(shuffle_after_return, 32), "ends while others|threads have ended");
  EXPECT_DEATH(run(shuffle_before_return, 32), "ends while others|threads have ended");
  EXPECT_DEATH(run(shuffle_in_branches, 32), "different collectives");
  EXPECT_DEATH(run(shuffle_in_half, 32), "a part of a warp");
  EXPECT_DEATH(run(meet_in_branches, 64), "different barriers");
}

TEST_F(EmulatedDeviceDeath, RefusesCopiesOfFreedMemory) {
  const auto copy_and_free = [&] {
    auto host = cuda::PinnedBuffer::allocate(64 * sizeof(float), "a test");
    ASSERT_EQ(cudaMemcpyAsync(x(), host.value().as<void>(), 64 * sizeof(float), cudaMemcpyHostToDevice, stream()),
              cudaSuccess);
    host.value() = cuda::PinnedBuffer();
    (void)cudaStreamSynchronize(stream());
  };
  EXPECT_DEATH(copy_and_free(), "freed after it was queued");
}

TEST_F(EmulatedDevice, CapturesOnlyWhatGraphsHold) {
  std::vector<float> pageable(64);
  void* memory = nullptr;
  const std::vector<std::function<cudaError_t()>> calls = {
      [&] { return cudaMalloc(&memory, 64); },
      [&] { return cudaHostAlloc(&memory, 64, cudaHostAllocDefault); },
      [&] { return cudaStreamSynchronize(stream()); },
      [&] { return cudaMemsetAsync(x(), 0, 0, stream()); },
      [&] { return cudaMemcpyAsync(x(), pageable.data(), 256, cudaMemcpyHostToDevice, stream()); },
      [&] { return cudaMemcpyAsync(pageable.data(), x(), 256, cudaMemcpyDeviceToHost, stream()); },
  };
  for (size_t i = 0; i < calls.size(); ++i) {
    SCOPED_TRACE("call " + std::to_string(i));
    ASSERT_EQ(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeThreadLocal), cudaSuccess);
    EXPECT_NE(calls[i](), cudaSuccess);
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(stream(), &graph), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(graph, nullptr);
    EXPECT_EQ(cudaStreamSynchronize(stream()), cudaSuccess);
  }
  (void)cudaGetLastError();
}

TEST_F(EmulatedDevice, TimesOnlyWhatHasPassed) {
  auto start = cuda::make_timed_event(), end = cuda::make_timed_event(), plain = cuda::make_event();
  float milliseconds = 0;
  EXPECT_NE(cudaEventElapsedTime(&milliseconds, start.value().get(), end.value().get()), cudaSuccess);
  for (const auto* event : {&start, &end, &plain}) {
    ASSERT_EQ(cudaEventRecord(event->value().get(), stream()), cudaSuccess);
  }
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start.value().get(), end.value().get()), cudaErrorNotReady);
  ASSERT_EQ(cudaStreamSynchronize(stream()), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start.value().get(), end.value().get()), cudaSuccess);
  EXPECT_NE(cudaEventElapsedTime(&milliseconds, start.value().get(), plain.value().get()), cudaSuccess);
  (void)cudaGetLastError();
}

// Each host thread that runs kernels has a stack for every thread of a block. Stacks of ended ones became mappings that
// were larger than the machine's memory: the process could not fork any more.
TEST_F(EmulatedDevice, StacksEndWithTheHostThread) {
  const auto run_in_thread = [&] { std::thread([&] { run(meet, 1024); }).join(); };
  run_in_thread();
  const size_t before = mapped_bytes();
  ASSERT_GT(before, 0u);
  for (int i = 0; i < 4; ++i) run_in_thread();
  EXPECT_LT(mapped_bytes(), before + (size_t{64} << 20));
}

// An error in the middle of a capture ends it: the stream works on, the error does not come back, the next step is
// captured.
TEST_F(EmulatedDevice, StepGraphsOutliveAnErrorWhileCapturing) {
  cuda::StepGraphs graphs;
  size_t enqueued = 0;
  const auto step = [&](const std::function<Status()>& last) {
    return graphs.run({1, 2}, 3, stream(), [&]() -> Status {
      ++enqueued;
      PRERANK_RETURN_IF_ERROR(cuda::launch(stream(), 1, 64, add_one, x()));
      return last();
    });
  };
  const auto good = [] { return Status(); };
  ASSERT_TRUE(step(good).ok());
  EXPECT_EQ(step([] { return Status(Code::kInternal, "stop"); }).message(), "stop");
  void* memory = nullptr;
  EXPECT_EQ(step([&] { return cuda::status_of(cudaMalloc(&memory, 64), "cudaMalloc"); }).code(), Code::kInternal);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream()), cudaSuccess);
  EXPECT_EQ(x()[0], 1) << "only the first step has run";
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(step(good).ok());
  ASSERT_EQ(cudaStreamSynchronize(stream()), cudaSuccess);
  EXPECT_EQ(x()[63], 4);
  EXPECT_EQ(enqueued, 4u) << "the first, two failures, and the capture";
}

}  // namespace
}  // namespace prerank::test
