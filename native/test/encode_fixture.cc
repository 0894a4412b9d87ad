#include "encode_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace prerank::testing_encode {
namespace {

using ingest::ListEntry;
using ingest::Physical;
using ingest::VectorView;

// A vector's memory. Null positions hold bytes that no reader survives taking for a value.
struct Column {
  std::vector<std::byte> data;
  std::vector<uint64_t> validity;
  std::deque<std::string> texts;
  std::unique_ptr<Column> child;
  VectorView view;
};

constexpr auto kGarbage = std::byte{0xAB};

template <class T>
void put(Column& column, size_t row, T value) {
  std::memcpy(column.data.data() + row * sizeof(T), &value, sizeof(T));
}

size_t width(Physical type) {
  switch (type) {
    case Physical::kBool:
    case Physical::kInt8:
    case Physical::kUint8:
      return 1;
    case Physical::kInt16:
    case Physical::kUint16:
      return 2;
    case Physical::kInt32:
    case Physical::kUint32:
    case Physical::kFloat:
      return 4;
    case Physical::kInt64:
    case Physical::kUint64:
    case Physical::kDouble:
      return 8;
    case Physical::kString:
    case Physical::kList:
      return 16;
  }
  return 0;
}

void put_text(Column& column, size_t row, const std::string& text) {
  std::byte* const entry = column.data.data() + row * 16;
  std::memset(entry, 0, 16);
  const auto length = static_cast<uint32_t>(text.size());
  std::memcpy(entry, &length, 4);
  if (length <= 12) {
    if (length > 0) std::memcpy(entry + 4, text.data(), length);
    return;
  }
  column.texts.push_back(text);
  const char* const pointer = column.texts.back().data();
  std::memcpy(entry + 4, pointer, 4);
  std::memcpy(entry + 8, &pointer, sizeof(pointer));
}

void put_cell(Column& column, Physical type, size_t row, const Cell& cell) {
  switch (type) {
    case Physical::kBool:
    case Physical::kUint8:
    case Physical::kInt8:
      return put(column, row, static_cast<uint8_t>(cell.integer));
    case Physical::kInt16:
    case Physical::kUint16:
      return put(column, row, static_cast<uint16_t>(cell.integer));
    case Physical::kInt32:
    case Physical::kUint32:
      return put(column, row, static_cast<uint32_t>(cell.integer));
    case Physical::kInt64:
    case Physical::kUint64:
      return put(column, row, cell.integer);
    case Physical::kFloat:
      return put(column, row, static_cast<float>(cell.number()));
    case Physical::kDouble:
      return put(column, row, cell.number());
    case Physical::kString:
      return put_text(column, row, cell.text);
    case Physical::kList:
      return;
  }
}

std::unique_ptr<Column> make_vector(Physical type, const Cell* cells, size_t count) {
  auto column = std::make_unique<Column>();
  column->data.assign(std::max<size_t>(count, 1) * width(type), kGarbage);
  bool nulls = false;
  column->validity.assign((count + 63) / 64, 0);
  for (size_t i = 0; i < count; ++i) {
    if (cells[i].null()) {
      nulls = true;
      continue;
    }
    column->validity[i / 64] |= uint64_t{1} << (i % 64);
    put_cell(*column, type, i, cells[i]);
  }
  column->view = {type, column->data.data(), nulls ? column->validity.data() : nullptr, nullptr, count};
  return column;
}

std::unique_ptr<Column> make_lists(const LogColumn& log, const Cell* cells, size_t count) {
  auto column = make_vector(Physical::kList, cells, count);
  Cells elements;
  const auto place = [&](size_t i) {
    if (cells[i].null()) return;
    if (log.layout == ListLayout::kGaps) elements.push_back(Cell());
    put(*column, i, ListEntry{elements.size(), cells[i].list.size()});
    elements.insert(elements.end(), cells[i].list.begin(), cells[i].list.end());
  };
  if (log.layout == ListLayout::kReversed) {
    for (size_t i = count; i-- > 0;) place(i);
  } else {
    for (size_t i = 0; i < count; ++i) place(i);
  }
  column->child = make_vector(log.element, elements.data(), elements.size());
  column->view.child = std::make_shared<VectorView>(column->child->view);
  return column;
}

class MemoryChunk final : public ingest::Chunk {
 public:
  MemoryChunk(const std::vector<LogColumn>& columns, size_t from, size_t to) {
    rows_ = to - from;
    for (const LogColumn& column : columns) {
      const Cell* const cells = column.cells.data() + from;
      memory_.push_back(column.type == Physical::kList ? make_lists(column, cells, rows_)
                                                       : make_vector(column.type, cells, rows_));
      columns_.push_back(memory_.back()->view);
    }
  }

 private:
  std::vector<std::unique_ptr<Column>> memory_;
};

bool same_request(const Cell& a, const Cell& b) {
  return a.kind == b.kind && a.integer == b.integer && a.text == b.text;
}

// The values of the record batches of one file, not yet mapped.
struct RawColumn {
  std::vector<double> values;
  std::vector<uint32_t> lengths;
  std::vector<size_t> workers;   // of each value
  std::vector<double> requests;  // that came before, for each value
};

template <class T>
void copy_values(const ingest::ColumnData& data, RawColumn& raw) {
  const T* const values = static_cast<const T*>(data.values);
  for (size_t i = 0; i < data.value_count; ++i) raw.values.push_back(static_cast<double>(values[i]));
}

void take_batch(const std::vector<ingest::OutputColumn>& outputs, ingest::BatchEncoder& encoder, size_t worker,
                double requests, std::vector<RawColumn>& raw) {
  const std::vector<ingest::ColumnData> columns = encoder.columns();
  for (size_t i = 0; i < outputs.size(); ++i) {
    const ColumnType type = outputs[i].type;
    const bool is_list = type == ColumnType::kListUint32 || type == ColumnType::kListFloat32;
    if (is_list) {
      EXPECT_EQ(columns[i].offsets[0], 0);
      EXPECT_EQ(static_cast<size_t>(columns[i].offsets[encoder.rows()]), columns[i].value_count);
      for (size_t row = 0; row < encoder.rows(); ++row) {
        raw[i].lengths.push_back(static_cast<uint32_t>(columns[i].offsets[row + 1] - columns[i].offsets[row]));
      }
    } else {
      EXPECT_EQ(columns[i].value_count, encoder.rows()) << outputs[i].name;
    }
    if (type == ColumnType::kFloat32 || type == ColumnType::kListFloat32) copy_values<float>(columns[i], raw[i]);
    else if (type == ColumnType::kUint8) copy_values<uint8_t>(columns[i], raw[i]);
    else copy_values<uint32_t>(columns[i], raw[i]);
    raw[i].workers.resize(raw[i].values.size(), worker);
    raw[i].requests.resize(raw[i].values.size(), requests);
  }
  encoder.clear();
  EXPECT_EQ(encoder.rows(), 0u);
}

void finish_column(const ingest::OutputColumn& output, const ingest::DictionaryMerge& merge, RawColumn& raw,
                   Encoded& encoded) {
  for (size_t i = 0; i < raw.values.size(); ++i) {
    if (output.remap.kind == ingest::Remap::Kind::kRequest) raw.values[i] += raw.requests[i];
    if (output.remap.kind != ingest::Remap::Kind::kVocabulary) continue;
    const auto map = merge.map(output.remap.dictionary, raw.workers[i]);
    const auto code = static_cast<size_t>(raw.values[i]);
    ASSERT_LT(code, map.size());
    raw.values[i] = map[code];
  }
  if (output.type != ColumnType::kListUint32 && output.type != ColumnType::kListFloat32) {
    encoded.numbers[output.name] = raw.values;
    return;
  }
  auto& lists = encoded.lists[output.name];
  auto next = raw.values.begin();
  for (const uint32_t length : raw.lengths) {
    lists.emplace_back(next, next + length);
    next += length;
  }
}

template <class T>
T checked(Result<T> result) {
  if (!result.ok()) ADD_FAILURE() << result.status().message();
  return std::move(result).value();
}

void add_counts(ingest::PartCounts& sum, const ingest::PartCounts& part) {
  sum.rows += part.rows;
  sum.requests += part.requests;
  sum.rejected += part.rejected;
  sum.dropped += part.dropped;
  sum.sampled_out += part.sampled_out;
  sum.duplicates += part.duplicates;
}

}  // namespace

Cell list(std::vector<Cell> cells) { return Cell(std::move(cells)); }

TestLog::TestLog(size_t rows) : rows_(rows) {
  Cells numbers;
  for (size_t row = 0; row < rows; ++row) numbers.push_back(static_cast<int64_t>(row));
  columns_.push_back({Physical::kInt64, std::move(numbers)});
}

size_t TestLog::add(Physical type, Cells cells) {
  EXPECT_EQ(cells.size(), rows_);
  columns_.push_back({type, std::move(cells)});
  return columns_.size() - 1;
}

size_t TestLog::add_lists(Physical element, Cells cells, ListLayout layout) {
  EXPECT_EQ(cells.size(), rows_);
  columns_.push_back({Physical::kList, std::move(cells), element, layout});
  return columns_.size() - 1;
}

std::shared_ptr<const ingest::Chunk> TestLog::chunk(size_t from, size_t to) const {
  return std::make_shared<MemoryChunk>(columns_, from, to);
}

ingest::RowBlock TestLog::block(size_t from, size_t to, size_t chunk_rows, const size_t* request_column,
                                size_t skipped) const {
  ingest::RowBlock block;
  block.rows = to - from;
  for (size_t row = from; row < to; row += chunk_rows) {
    const size_t end = std::min(row + chunk_rows, to);
    const size_t before = std::min(skipped, row);
    block.slices.push_back({chunk(row - before, end), before, before + (end - row), "log.parquet"});
  }
  if (request_column == nullptr) return block;
  const Cells& requests = cells(*request_column);
  for (size_t row = from; row < to; ++row) {
    if (row == from || !same_request(requests[row], requests[row - 1])) {
      block.request_starts.push_back(static_cast<uint32_t>(row - from));
    }
  }
  return block;
}

Encoded encode(const IngestSpec& spec, std::vector<Work> work, size_t workers) {
  Encoded encoded;
  const auto outputs = checked(ingest::output_columns(spec));
  std::vector<std::unique_ptr<ingest::BatchEncoder>> encoders;
  for (size_t i = 0; i < workers; ++i) encoders.push_back(checked(ingest::BatchEncoder::create(spec)));
  std::vector<RawColumn> raw(outputs.size());
  std::unique_ptr<ingest::FeatureStatistics> statistics;
  size_t requests = 0;
  for (size_t i = 0; i < work.size(); ++i) {
    ingest::BatchEncoder& encoder = *encoders[work[i].worker];
    const Status status = encoder.encode(work[i].block, encoded.rejects);
    EXPECT_TRUE(status.ok()) << status.message();
    const bool last = i + 1 == work.size();
    if (last || work[i + 1].new_part || work[i + 1].new_batch || work[i + 1].worker != work[i].worker) {
      const size_t added = encoder.requests();
      take_batch(outputs, encoder, work[i].worker, static_cast<double>(requests), raw);
      requests += added;
    }
    if (!last && !work[i + 1].new_part) {
      EXPECT_EQ(work[i].worker, work[i + 1].worker) << "a part has one worker";
      continue;
    }
    add_counts(encoded.counts, encoder.take_counts());
    auto part = encoder.take_statistics();
    if (statistics == nullptr) statistics = std::move(part);
    else statistics->merge(*part);
  }
  const auto merge = checked(ingest::DictionaryMerge::create(spec, encoders));
  for (size_t i = 0; i < outputs.size(); ++i) finish_column(outputs[i], *merge, raw[i], encoded);
  if (statistics != nullptr) encoded.features = merge->summarise(*statistics);
  encoded.tables = merge->take_tables();
  return encoded;
}

Encoded encode(const IngestSpec& spec, const ingest::RowBlock& block) {
  std::vector<Work> work(1);
  work[0].block = block;
  return encode(spec, std::move(work));
}

std::vector<std::string> reasons(const Encoded& encoded) {
  std::vector<std::string> texts;
  for (const RejectedRow& row : encoded.rejects) texts.push_back(std::to_string(row.row) + ": " + row.reason);
  return texts;
}

NumberColumn number(size_t input, NumberRule rule, bool nullable, NumberRole role) {
  NumberColumn column;
  column.input = input;
  column.output = "x" + std::to_string(input);
  column.rule = rule;
  column.nullable = nullable;
  column.role = role;
  column.label = "x";
  return column;
}

DenseColumn dense(size_t input, std::vector<DenseTransform> transforms, NullPolicy nulls) {
  DenseColumn column;
  column.input = input;
  column.output = "x" + std::to_string(input);
  column.transforms = std::move(transforms);
  column.nulls = nulls;
  column.label = "feature \"x\"";
  column.source = "raw_x";
  return column;
}

IdColumn id(size_t input, size_t table, NullPolicy nulls) {
  IdColumn column;
  column.input = input;
  column.output = "x" + std::to_string(input);
  column.table = table;
  column.nulls = nulls;
  column.label = "feature \"x\"";
  column.source = "raw_x";
  return column;
}

IdColumn id_list(size_t input, size_t table, NullPolicy nulls) {
  IdColumn column = id(input, table, nulls);
  column.multi = true;
  return column;
}

IdTable hashed(ValueType type, uint64_t buckets) {
  IdTable table;
  table.name = "t";
  table.type = type;
  table.buckets = buckets;
  return table;
}

IdTable vocabulary(ValueType type, std::vector<std::string> values, bool learn) {
  IdTable table;
  table.name = "t";
  table.type = type;
  table.values = std::move(values);
  table.learn = learn;
  return table;
}

IngestSpec& order_outputs(IngestSpec& spec) {
  spec.output_order.clear();
  for (const auto& column : spec.numbers) spec.output_order.push_back(column.output);
  for (const auto& column : spec.dense) spec.output_order.push_back(column.output);
  for (const auto& column : spec.ids) {
    spec.output_order.push_back(column.output);
    if (column.weights_input.has_value()) spec.output_order.push_back(column.weights_output);
  }
  for (const auto& column : spec.codes) spec.output_order.push_back(column.output);
  if (spec.sampling.weight_by_inverse_rate) spec.output_order.push_back(spec.sampling.weight_output);
  return spec;
}

}  // namespace prerank::testing_encode
