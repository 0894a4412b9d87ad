#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/huge_page_pool.h"
#include "base/memory_info.h"

namespace prerank {
namespace {

TEST(AlignedBuffer, IsZeroedAndAligned) {
  for (const size_t bytes : {size_t{1}, size_t{63}, size_t{4096}, kHugePage - 1,
                             kHugePage, 3 * kHugePage + 5}) {
    auto result = AlignedBuffer::allocate(bytes);
    ASSERT_TRUE(result.ok());
    const AlignedBuffer buffer = std::move(result).value();
    EXPECT_EQ(buffer.bytes(), bytes);
    const auto address = reinterpret_cast<uintptr_t>(buffer.data());
    EXPECT_EQ(address % (bytes >= kHugePage ? kHugePage : 64), 0u);
    uint64_t sum = 0;
    for (const uint8_t byte : buffer.as<uint8_t>()) sum += byte;
    EXPECT_EQ(sum, 0u);
    buffer.as<uint8_t>()[bytes - 1] = 1;
  }
}

TEST(AlignedBuffer, MovesItsMemory) {
  AlignedBuffer first = std::move(AlignedBuffer::floats(8)).value();
  first.as<float>()[3] = 2.5f;
  AlignedBuffer second = std::move(AlignedBuffer::allocate(kHugePage)).value();
  second = std::move(first);
  EXPECT_EQ(second.as<float>()[3], 2.5f);
  EXPECT_EQ(second.as<float>().size(), 8u);
}

TEST(AlignedBuffer, RefusesWhatTheSystemCannotGive) {
  for (const size_t bytes : {std::numeric_limits<size_t>::max(), size_t{1} << 60}) {
    const auto result = AlignedBuffer::allocate(bytes);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.status().code(), Code::kOutOfMemory);
  }
  EXPECT_EQ(AlignedBuffer::floats(std::numeric_limits<size_t>::max() / 2).status().code(), Code::kOutOfMemory);
}

TEST(AlignedBuffer, SharesPagesAmongFloatsOfMiddleSize) {
  HugePagePool& pool = HugePagePool::shared();
  const size_t before = pool.pages();
  constexpr size_t kCount = size_t{100} << 10;  // floats: five buffers fill a page
  {
    std::vector<AlignedBuffer> buffers;
    for (size_t i = 0; i < 10; ++i) {
      buffers.push_back(std::move(AlignedBuffer::floats(kCount)).value());
      for (const float value : buffers.back().as<float>()) ASSERT_EQ(value, 0.0f);
      for (float& value : buffers.back().as<float>()) value = static_cast<float>(i);
    }
    EXPECT_LE(pool.pages(), before + 3);
    for (size_t i = 0; i < 10; ++i) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(buffers[i].data()) % 64, 0u);
      for (const float value : buffers[i].as<float>()) ASSERT_EQ(value, static_cast<float>(i));
    }
    // What a page gave back in part is not handed out again, and not unmapped.
    buffers.erase(buffers.begin(), buffers.begin() + 9);
    for (const float value : buffers[0].as<float>()) ASSERT_EQ(value, 9.0f);
  }
  EXPECT_EQ(pool.pages(), before);
}

TEST(HugePagePool, OpensAnotherPageForWhatDoesNotFit) {
  HugePagePool pool;
  void* const most = pool.take(kHugePage - 64);
  void* const whole = pool.take(kHugePage);
  void* const rest = pool.take(1);
  EXPECT_EQ(static_cast<char*>(rest), static_cast<char*>(most) + kHugePage - 64);
  EXPECT_EQ(pool.pages(), 2u);
  void* const next = pool.take(65);
  EXPECT_EQ(pool.pages(), 3u);
  for (void* const piece : {most, whole, rest, next}) pool.give(piece);
  EXPECT_EQ(pool.pages(), 0u);
  void* const again = pool.take(1);
  EXPECT_EQ(*static_cast<char*>(again), 0);
  pool.give(again);
}

TEST(AlignedBuffer, ReservesMoreThanTheMachineHasAndTheProcessStillForks) {
  const size_t memory = usable_memory();
  if (memory == 0) GTEST_SKIP() << "the system does not say how much memory there is";
  const auto result = AlignedBuffer::reserved(memory + memory / 2);
  ASSERT_TRUE(result.ok()) << result.status().message();
  result.value().as<float>().back() = 1.5f;
  const pid_t child = fork();
  if (child == 0) _exit(0);
  ASSERT_GT(child, 0);
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(result.value().as<float>().back(), 1.5f);
}

TEST(AlignedBuffer, OfNothingIsEmpty) {
  const auto result = AlignedBuffer::allocate(0);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.value().bytes(), 0u);
}

}  // namespace
}  // namespace prerank
