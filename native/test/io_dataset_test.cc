#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

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
