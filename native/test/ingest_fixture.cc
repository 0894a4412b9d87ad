#include "ingest_fixture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/block_checksum.h"
#include "ingest/batch_encoder.h"

namespace prerank::test {
namespace {

template <class T>
T read(const std::string& bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

// Walks the buffers of a record batch: each starts at a multiple of 64.
class Body {
 public:
  Body(const std::string& bytes, const EncodedBatch& batch) : bytes_(bytes) {
    EXPECT_EQ(read<uint32_t>(bytes, batch.offset), 0xFFFFFFFFU);
    at_ = batch.offset + 8 + read<uint32_t>(bytes, batch.offset + 4);
  }

  template <class T>
  std::vector<double> take(size_t count) {
    std::vector<double> values;
    for (size_t i = 0; i < count; ++i) values.push_back(static_cast<double>(read<T>(bytes_, at_ + i * sizeof(T))));
    at_ += (count * sizeof(T) + 63) / 64 * 64;
    return values;
  }

 private:
  const std::string& bytes_;
  size_t at_;
};

std::vector<double> take_column(Body& body, ColumnType type, size_t rows, std::vector<size_t>& lengths) {
  switch (type) {
    case ColumnType::kFloat32: return body.take<float>(rows);
    case ColumnType::kUint32: return body.take<uint32_t>(rows);
    case ColumnType::kUint8: return body.take<uint8_t>(rows);
    case ColumnType::kListUint32:
    case ColumnType::kListFloat32: break;
  }
  const std::vector<double> offsets = body.take<int32_t>(rows + 1);
  for (size_t i = 0; i < rows; ++i) lengths.push_back(static_cast<size_t>(offsets[i + 1] - offsets[i]));
  const auto count = static_cast<size_t>(offsets[rows]);
  return type == ColumnType::kListUint32 ? body.take<uint32_t>(count) : body.take<float>(count);
}

void append(std::vector<double>& to, const std::vector<double>& values) {
  to.insert(to.end(), values.begin(), values.end());
}

}  // namespace

LogRow log_row(uint64_t i) {
  const auto number = static_cast<int64_t>(i);
  LogRow row{static_cast<int64_t>(std::floor(std::sqrt(static_cast<double>(i)))), number * 7 % 1009,
             static_cast<double>(number % 100) / 4, number * 13 % 997, {}, static_cast<float>(number % 3)};
  for (int64_t k = 0; k < number % 4; ++k) row.tags.push_back((number + k) * 31 % 4001);
  return row;
}

std::string log_query(uint64_t rows) {
  return "SELECT floor(sqrt(i))::BIGINT AS request, i * 7 % 1009 AS ad, (i % 100)::DOUBLE / 4 AS x, "
         "i * 13 % 997 AS tag, [(i + k) * 31 % 4001 FOR k IN range(i % 4)] AS tags, (i % 3)::DOUBLE AS y "
         "FROM range(" +
         std::to_string(rows) + ") t(i)";
}

IngestSpec ingest_spec(LogSource source, Tables tables, std::string folder) {
  IngestSpec spec;
  spec.source = std::move(source);
  spec.request_input = 1;
  spec.ad_input = 2;
  spec.codes = {{1, "role.request", CodeRole::kRequest, 0, "request"}, {2, "role.ad", CodeRole::kAd, 0, "ad"}};
  DenseColumn x;
  x.input = 3;
  x.output = "feature.x";
  x.label = x.source = "x";
  spec.dense = {x};
  IdColumn tag;
  tag.input = 4;
  tag.output = "feature.tag";
  tag.label = tag.source = "tag";
  IdColumn tags = tag;
  tags.input = 5;
  tags.output = "feature.tags";
  tags.table = 1;
  tags.multi = true;
  spec.ids = {tag, tags};
  NumberColumn y;
  y.input = 6;
  y.output = "label.y";
  y.label = "y";
  spec.numbers = {y};
  for (const char* name : {"tag", "tags"}) {
    IdTable table;
    table.name = name;
    if (tables == Tables::kHashed) table.buckets = 500;
    table.learn = tables == Tables::kVocabulary;
    spec.tables.push_back(table);
  }
  spec.output_order = {"role.request", "role.ad", "feature.x", "feature.tag", "feature.tags", "label.y"};
  spec.folder = std::move(folder);
  spec.memory_bytes = uint64_t{1} << 30;
  ProfileSpec profile;
  profile.source = spec.source;
  profile.request_input = spec.request_input;
  auto found = profile_log(profile, [] { return false; });
  EXPECT_TRUE(found.ok()) << found.status().message();
  if (!found.ok()) return spec;
  for (size_t i = 0; i < spec.source.parts.size(); ++i) {
    spec.source.parts[i].rows = found.value().parts[i].rows;
    spec.source.parts[i].head_rows = found.value().parts[i].head_rows;
  }
  return spec;
}

ReadDataset read_dataset(const IngestSpec& spec, const IngestResult& result) {
  ReadDataset dataset;
  const auto columns = ingest::output_columns(spec);
  EXPECT_TRUE(columns.ok()) << columns.status().message();
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(spec.folder)) files += entry.is_regular_file() ? 1 : 0;
  EXPECT_EQ(files, result.files.size());
  for (const EncodedFile& file : result.files) {
    std::ifstream stream(spec.folder + "/" + file.name, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
    EXPECT_EQ(bytes.size(), file.bytes) << file.name;
    dataset.bytes += file.name + bytes;
    uint64_t rows = 0;
    for (const EncodedBatch& batch : file.batches) {
      EXPECT_EQ(block_checksum(std::as_bytes(std::span(bytes)).subspan(batch.offset, batch.bytes)), batch.checksum);
      rows += batch.rows;
      Body body(bytes, batch);
      for (const ingest::OutputColumn& column : columns.value()) {
        const auto values = take_column(body, column.type, batch.rows, dataset.lengths[column.name]);
        append(dataset.values[column.name], values);
        if (column.remap.kind == ingest::Remap::Kind::kRequest) dataset.batch_requests.push_back(values);
      }
    }
    EXPECT_EQ(rows, file.rows);
  }
  return dataset;
}

IngestResult run_ingest(const IngestSpec& spec) {
  auto created = Ingest::create(spec);
  EXPECT_TRUE(created.ok()) << created.status().message();
  if (!created.ok()) return {};
  auto result = created.value()->run();
  EXPECT_TRUE(result.ok()) << result.status().message();
  return result.ok() ? std::move(result).value() : IngestResult();
}

}  // namespace prerank::test
