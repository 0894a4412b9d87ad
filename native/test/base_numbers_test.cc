// Random numbers and hashes against the published test vectors.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/block_checksum.h"
#include "base/philox.h"
#include "base/xxhash.h"
#include "prerank/status.h"

namespace prerank {
namespace {

TEST(Philox, GivesThePublishedWords) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (PhiloxCounter{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}));
  const uint32_t ones = 0xffffffffu;
  EXPECT_EQ(philox4x32({ones, ones, ones, ones}, {ones, ones}),
            (PhiloxCounter{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}));
  EXPECT_EQ(philox4x32({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u}),
            (PhiloxCounter{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}));
}

TEST(Philox, KeyAndCounterKeepEveryPart) {
  EXPECT_EQ(philox_key(0x1122334455667788u), (PhiloxKey{0x55667788u, 0x11223344u}));
  EXPECT_EQ(op_counter(7, 3, 11, 9), (PhiloxCounter{2, 11, 3, 7}));
}

TEST(Philox, UnitFloatsStayBelowOne) {
  EXPECT_EQ(unit_float(0), 0.0f);
  EXPECT_LT(unit_float(0xffffffffu), 1.0f);
  EXPECT_EQ(unit_float(0x80000000u), 0.5f);
}

TEST(Xxh64, GivesThePublishedHashes) {
  EXPECT_EQ(xxh64("", 0), 0xEF46DB3751D8E999u);
  EXPECT_EQ(xxh64("a", 1), 0xD24EC4F1A98C6E5Bu);
  EXPECT_EQ(xxh64("abc", 3), 0x44BC2CF5AD770999u);
  const std::string spammish = "Nobody inspects the spammish repetition";
  EXPECT_EQ(xxh64(spammish.data(), spammish.size()), 0xFBCEA83C8A378BF1u);
}

TEST(Xxh64, DependsOnEveryByteAndTheSeed) {
  for (size_t length = 1; length < 70; ++length) {
    std::string text(length, 'x');
    const uint64_t hash = xxh64(text.data(), length);
    EXPECT_NE(hash, xxh64(text.data(), length, 1));
    for (size_t i = 0; i < length; ++i) {
      text[i] = 'y';
      EXPECT_NE(hash, xxh64(text.data(), length)) << "byte " << i << " of " << length;
      text[i] = 'x';
    }
  }
}

TEST(Xxh64, OfPiecesIsThatOfTheWhole) {
  std::string text(300, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 37);
  for (const size_t piece : {1, 7, 31, 32, 33, 100, 300}) {
    for (const size_t length : {0, 3, 31, 32, 64, 299, 300}) {
      Xxh64Stream stream;
      for (size_t from = 0; from < length; from += piece) stream.add(text.data() + from, std::min(piece, length - from));
      EXPECT_EQ(stream.hash(), xxh64(text.data(), length)) << length << " bytes by " << piece;
    }
  }
}

TEST(BlockChecksum, IsTheHashOfTheBlocksHashes) {
  std::vector<std::byte> message(3 * kChecksumBlock + 77);
  for (size_t i = 0; i < message.size(); ++i) message[i] = static_cast<std::byte>(i * 31 + i / 251);
  std::vector<uint64_t> hashes;
  for (size_t from = 0; from < message.size(); from += kChecksumBlock) {
    hashes.push_back(xxh64(message.data() + from, std::min(kChecksumBlock, message.size() - from)));
  }
  EXPECT_EQ(hashes.size(), 4u);
  EXPECT_EQ(block_checksum(message), xxh64(hashes.data(), 4 * sizeof(uint64_t)));
  EXPECT_EQ(block_checksum({}), xxh64(nullptr, 0));

  // Two bytes across the border of the first blocks are not known.
  const std::span bytes(message);
  BlockHasher hasher;
  hasher.add(bytes.first(kChecksumBlock - 1));
  hasher.skip(2);
  hasher.add(bytes.subspan(kChecksumBlock + 1, 1000));
  hasher.add(bytes.subspan(kChecksumBlock + 1001));
  EXPECT_EQ(hasher.finish(), (std::vector<uint64_t>{0, 0, hashes[2], hashes[3]}));
  EXPECT_TRUE(hasher.finish().empty());
}

TEST(Status, NamesAreStable) {
  EXPECT_STREQ(code_name(Code::kInvalidArgument), "INVALID_ARGUMENT");
  EXPECT_STREQ(code_name(Code::kDatasetChanged), "DATASET_CHANGED");
  EXPECT_STREQ(code_name(Code::kNonFinite), "NON_FINITE");
}

}  // namespace
}  // namespace prerank
