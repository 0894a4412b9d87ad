#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <numeric>
#include <thread>
#include <vector>

#include "base/thread_pool.h"

namespace prerank {
namespace {

TEST(ThreadPool, RunsEveryWorkerOncePerRegion) {
  for (const size_t workers : {1, 2, 5}) {
    auto pool = std::move(ThreadPool::create(workers)).value();
    ASSERT_EQ(pool->workers(), workers);
    std::vector<int> calls(workers, 0);
    for (int region = 0; region < 500; ++region) {
      pool->run([&](size_t worker) { ++calls[worker]; });
    }
    EXPECT_EQ(calls, std::vector<int>(workers, 500));
  }
}

TEST(ThreadPool, TheCallerIsWorkerZero) {
  auto pool = std::move(ThreadPool::create(3)).value();
  std::vector<std::thread::id> ids(3);
  pool->run([&](size_t worker) { ids[worker] = std::this_thread::get_id(); });
  EXPECT_EQ(ids[0], std::this_thread::get_id());
  EXPECT_NE(ids[1], ids[0]);
  EXPECT_NE(ids[2], ids[1]);
}

TEST(ThreadPool, WritesOfARegionAreSeenAfterIt) {
  auto pool = std::move(ThreadPool::create(4)).value();
  std::vector<uint64_t> data(10007, 0);
  for (uint64_t round = 1; round <= 50; ++round) {
    pool->run([&](size_t worker) {
      const Share share = share_of(data.size(), worker, 4);
      for (size_t i = share.begin; i < share.end; ++i) data[i] += i;
    });
    const uint64_t sum = std::accumulate(data.begin(), data.end(), uint64_t{0});
    ASSERT_EQ(sum, round * (10007 * 10006 / 2));
  }
}

#if defined(__x86_64__) || defined(__aarch64__)
TEST(ThreadPool, EveryWorkerComputesWithoutSubnormals) {
  constexpr float kSmallest = std::numeric_limits<float>::min();
  for (const size_t workers : {1, 3}) {
    auto pool = std::move(ThreadPool::create(workers)).value();
    std::vector<float> results(workers, 1), operands(workers, 1);
    const std::vector<float> factors = {0.5f, 1e30f}, subnormal(workers, kSmallest / 8);
    pool->run([&](size_t worker) {
      results[worker] = kSmallest * factors[0];
      operands[worker] = subnormal[worker] * factors[1];
    });
    EXPECT_EQ(results, std::vector<float>(workers, 0));
    EXPECT_EQ(operands, std::vector<float>(workers, 0));
    volatile float outside = kSmallest;
    outside = outside * factors[0];
    EXPECT_GT(outside, 0) << "the caller's own arithmetic stays as it was";
  }
}
#endif

TEST(ThreadPool, RefusesAbsurdSizes) {
  EXPECT_EQ(ThreadPool::create(0).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(ThreadPool::create(1u << 20).status().code(), Code::kInvalidArgument);
}

TEST(ThreadPool, SharesCoverTheRangeInOrder) {
  for (const size_t count : {0, 1, 7, 64}) {
    for (const size_t workers : {1, 3, 10}) {
      size_t next = 0;
      for (size_t worker = 0; worker < workers; ++worker) {
        const Share share = share_of(count, worker, workers);
        EXPECT_EQ(share.begin, next);
        EXPECT_GE(share.end, share.begin);
        next = share.end;
      }
      EXPECT_EQ(next, count);
    }
  }
}

}  // namespace
}  // namespace prerank
