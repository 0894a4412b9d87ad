#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/block_checksum.h"
#include "prerank/dataset.h"

namespace prerank {
namespace {

const std::vector<float> kFloats = {1, 2, 3, 4};
const std::vector<uint32_t> kIds = {5, 6, 7, 8};

Column floats(const std::string& name, std::vector<size_t> chunk_rows) {
  Column column{name, ColumnType::kFloat32, {}};
  for (const size_t rows : chunk_rows) column.chunks.push_back({kFloats.data(), rows, nullptr, rows});
  return column;
}

Column list(const std::vector<int32_t>& offsets, size_t values = 4) {
  return {"tags", ColumnType::kListUint32, {{kIds.data(), values, offsets.data(), offsets.size() - 1}}};
}

Status create(std::vector<Column> columns) { return Dataset::create(std::move(columns), nullptr).status(); }

void expect_refused(std::vector<Column> columns, const std::string& part) {
  const Status status = create(std::move(columns));
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
}

TEST(Dataset, CountsRowsAndFindsColumnsWithoutCopying) {
  auto dataset = Dataset::create({floats("a", {2, 2}), floats("b", {2, 2})}, nullptr);
  ASSERT_TRUE(dataset.ok()) << dataset.status().message();
  EXPECT_EQ(dataset.value()->rows(), 4u);
  EXPECT_EQ(dataset.value()->find("b").value(), 1u);
  EXPECT_EQ(dataset.value()->find("c").status().code(), Code::kNotFound);
  EXPECT_EQ(dataset.value()->columns()[0].chunks[0].values, kFloats.data());
}

TEST(Dataset, KeepsItsOwnerAlive) {
  auto owner = std::make_shared<int>(1);
  auto dataset = Dataset::create({floats("a", {2})}, owner);
  ASSERT_TRUE(dataset.ok());
  EXPECT_EQ(owner.use_count(), 2);
  dataset = Status(Code::kInternal, "dropped");
  EXPECT_EQ(owner.use_count(), 1);
}

TEST(Dataset, MayBeEmpty) {
  EXPECT_TRUE(create({}).ok());
  EXPECT_TRUE(create({floats("a", {}), {"tags", ColumnType::kListUint32, {}}}).ok());
  EXPECT_TRUE(create({{"tags", ColumnType::kListUint32, {{nullptr, 0, nullptr, 0}}}}).ok());
}

TEST(Dataset, RefusesColumnsThatDoNotFitTogether) {
  expect_refused({floats("a", {2}), floats("a", {2})}, "given twice");
  expect_refused({floats("a", {2}), floats("b", {2, 1})}, "2 chunks");
  expect_refused({floats("a", {2, 1}), floats("b", {1, 2})}, "chunk 0 has 1 rows");
}

TEST(Dataset, RefusesShortOrMisalignedValues) {
  expect_refused({{"a", ColumnType::kFloat32, {{kFloats.data(), 3, nullptr, 4}}}}, "3 values for 4 rows");
  expect_refused({{"a", ColumnType::kFloat32, {{nullptr, 3, nullptr, 3}}}}, "no values");
  const void* const odd = reinterpret_cast<const char*>(kFloats.data()) + 1;
  expect_refused({{"a", ColumnType::kFloat32, {{odd, 3, nullptr, 3}}}}, "misaligned");
}

std::vector<ChunkChecksum> checksums_of(const std::vector<float>& message, size_t chunks) {
  const uint64_t right = block_checksum(std::as_bytes(std::span(message)));
  std::vector<ChunkChecksum> checksums;
  for (size_t k = 0; k < chunks; ++k) checksums.push_back({std::as_bytes(std::span(message)), right, "part.arrow", k});
  return checksums;
}

TEST(Dataset, VerifiesAChunkAgainstItsChecksumOnce) {
  std::vector<float> message = {1, 2, 3};
  auto checksums = checksums_of(message, 3);
  checksums[1].expected ^= 1;
  const auto dataset = Dataset::create({floats("a", {2, 1, 1})}, nullptr, checksums).value();
  EXPECT_TRUE(dataset->verify(0).ok());
  message[0] = 7;  // looked at before: not read again
  EXPECT_TRUE(dataset->verify(0).ok());
  for (const size_t bad : {1u, 2u, 1u}) {
    const Status status = dataset->verify(bad);
    EXPECT_EQ(status.code(), Code::kDatasetCorrupt);
    EXPECT_NE(status.message().find("part.arrow: record batch " + std::to_string(bad)), std::string::npos);
  }
}

TEST(Dataset, ManyThreadsMayVerifyTheSameChunks) {
  const std::vector<float> message(4096, 0.5f);
  auto checksums = checksums_of(message, 500);
  checksums[77].expected += 1;
  const auto dataset = Dataset::create({floats("a", std::vector<size_t>(500, 1))}, nullptr, checksums).value();
  std::vector<std::vector<size_t>> refused(4);
  std::vector<std::thread> threads;
  for (auto& mine : refused) {
    threads.emplace_back([&dataset, &mine] {
      for (size_t k = 0; k < 500; ++k) {
        if (!dataset->verify(k).ok()) mine.push_back(k);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& mine : refused) EXPECT_EQ(mine, std::vector<size_t>{77});
}

TEST(Dataset, ChecksListsWithTheirChunkWhenThereAreChecksums) {
  const std::vector<float> message = {1};
  const std::vector<int32_t> good = {0, 1, 2}, bad = {0, 3, 2};
  Column tags{"tags", ColumnType::kListUint32, {{kIds.data(), 4, good.data(), 2}, {kIds.data(), 4, bad.data(), 2}}};
  const auto dataset = Dataset::create({tags}, nullptr, checksums_of(message, 2)).value();
  EXPECT_TRUE(dataset->verify(0).ok());
  const Status status = dataset->verify(1);
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_NE(status.message().find("row 3"), std::string::npos) << status.message();
}

TEST(Dataset, WantsOneChecksumPerChunk) {
  const std::vector<float> message = {1};
  EXPECT_EQ(Dataset::create({floats("a", {2, 2})}, nullptr, checksums_of(message, 1)).status().code(),
            Code::kInvalidArgument);
  EXPECT_TRUE(Dataset::create({floats("a", {2})}, nullptr).value()->verify(0).ok());
}

TEST(Dataset, ChecksListOffsetsOnce) {
  EXPECT_TRUE(create({list({0, 0, 3, 4})}).ok());
  EXPECT_TRUE(create({list({1, 2})}).ok());  // a slice of a longer array
  expect_refused({list({0, 3, 2})}, "row 1");
  expect_refused({list({0, 2, 5})}, "4 values");
  expect_refused({list({-1, 2})}, "negative");
  expect_refused({{"tags", ColumnType::kListUint32, {{kIds.data(), 4, nullptr, 1}}}}, "no list offsets");
}

}  // namespace
}  // namespace prerank
