#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <utility>

#include "base/aligned_buffer.h"

namespace prerank {
namespace {

TEST(AlignedBuffer, IsZeroedAndAligned) {
  for (const size_t bytes : {size_t{1}, size_t{63}, size_t{4096}, AlignedBuffer::kHugePage - 1,
                             AlignedBuffer::kHugePage, 3 * AlignedBuffer::kHugePage + 5}) {
    auto result = AlignedBuffer::allocate(bytes);
    ASSERT_TRUE(result.ok());
    const AlignedBuffer buffer = std::move(result).value();
    EXPECT_EQ(buffer.bytes(), bytes);
    const auto address = reinterpret_cast<uintptr_t>(buffer.data());
    EXPECT_EQ(address % (bytes >= AlignedBuffer::kHugePage ? AlignedBuffer::kHugePage : 64), 0u);
    uint64_t sum = 0;
    for (const uint8_t byte : buffer.as<uint8_t>()) sum += byte;
    EXPECT_EQ(sum, 0u);
    buffer.as<uint8_t>()[bytes - 1] = 1;
  }
}

TEST(AlignedBuffer, MovesItsMemory) {
  AlignedBuffer first = std::move(AlignedBuffer::floats(8)).value();
  first.as<float>()[3] = 2.5f;
  AlignedBuffer second = std::move(AlignedBuffer::allocate(AlignedBuffer::kHugePage)).value();
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

TEST(AlignedBuffer, OfNothingIsEmpty) {
  const auto result = AlignedBuffer::allocate(0);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.value().bytes(), 0u);
}

}  // namespace
}  // namespace prerank
