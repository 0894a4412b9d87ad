// A small dataset in memory with every kind of column, cut into uneven chunks, for the loader's tests.
#pragma once

#include <cmath>
#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "prerank/dataset.h"
#include "prerank/loader.h"

namespace prerank::testing_io {

// Columns given as plain vectors, one entry per row.
class ColumnMaker {
 public:
  explicit ColumnMaker(std::vector<size_t> chunk_rows) : chunk_rows_(std::move(chunk_rows)) {}

  void add(const std::string& name, std::vector<float> rows) {
    scalars(name, ColumnType::kFloat32, floats_, std::move(rows));
  }
  void add(const std::string& name, std::vector<uint32_t> rows) {
    scalars(name, ColumnType::kUint32, words_, std::move(rows));
  }
  void add(const std::string& name, std::vector<uint8_t> rows) {
    scalars(name, ColumnType::kUint8, bytes_, std::move(rows));
  }
  void add(const std::string& name, const std::vector<std::vector<uint32_t>>& rows) {
    lists(name, ColumnType::kListUint32, words_, rows);
  }
  void add(const std::string& name, const std::vector<std::vector<float>>& rows) {
    lists(name, ColumnType::kListFloat32, floats_, rows);
  }

  Result<std::shared_ptr<Dataset>> dataset(std::vector<ChunkChecksum> checksums = {}) const {
    return Dataset::create(columns_, nullptr, std::move(checksums));
  }

 private:
  template <class T>
  void scalars(const std::string& name, ColumnType type, std::deque<std::vector<T>>& store, std::vector<T> rows) {
    store.push_back(std::move(rows));
    Column column{name, type, {}};
    size_t at = 0;
    for (const size_t count : chunk_rows_) {
      column.chunks.push_back({store.back().data() + at, count, nullptr, count});
      at += count;
    }
    columns_.push_back(std::move(column));
  }

  // Every chunk has its own offsets, which do not start at 0.
  template <class T>
  void lists(const std::string& name, ColumnType type, std::deque<std::vector<T>>& store,
             const std::vector<std::vector<T>>& rows) {
    Column column{name, type, {}};
    size_t at = 0;
    for (const size_t count : chunk_rows_) {
      std::vector<T> values(3, T{});
      std::vector<int32_t> offsets = {3};
      for (size_t r = at; r < at + count; ++r) {
        values.insert(values.end(), rows[r].begin(), rows[r].end());
        offsets.push_back(static_cast<int32_t>(values.size()));
      }
      store.push_back(std::move(values));
      offsets_.push_back(std::move(offsets));
      column.chunks.push_back({store.back().data(), store.back().size(), offsets_.back().data(), count});
      at += count;
    }
    columns_.push_back(std::move(column));
  }

  std::vector<size_t> chunk_rows_;
  std::deque<std::vector<float>> floats_;
  std::deque<std::vector<uint32_t>> words_;
  std::deque<std::vector<uint8_t>> bytes_;
  std::deque<std::vector<int32_t>> offsets_;
  std::vector<Column> columns_;
};

inline constexpr float kNull = std::numeric_limits<float>::quiet_NaN();

// Row r of the sample: x = r, y = 10 r, ad = 7 r mod 50, tags = r mod 4 ids, request = r / 3, user feature u = r / 3.
struct Sample {
  explicit Sample(std::vector<size_t> chunk_rows) : columns(chunk_rows) {
    for (const size_t count : chunk_rows) rows += count;
    std::vector<float> x, y, u, click, ectr, weight;
    std::vector<uint32_t> ad, request;
    std::vector<uint8_t> shown, traffic;
    std::vector<std::vector<uint32_t>> tags;
    std::vector<std::vector<float>> tag_weights;
    for (uint32_t r = 0; r < rows; ++r) {
      x.push_back(static_cast<float>(r));
      y.push_back(static_cast<float>(10 * r));
      u.push_back(static_cast<float>(r / 3));
      ad.push_back(7 * r % 50);
      request.push_back(1000 + r / 3);
      shown.push_back(r % 2 == 0);
      traffic.push_back(r % 5 != 4);
      click.push_back(r % 2 == 0 ? static_cast<float>(r % 4 == 0) : kNull);
      ectr.push_back(r % 7 == 6 ? kNull : static_cast<float>(r % 10) / 10);
      weight.push_back(static_cast<float>(1 + r % 3));
      tags.emplace_back();
      tag_weights.emplace_back();
      for (uint32_t i = 0; i < r % 4; ++i) {
        tags.back().push_back((r + i * i) % 50);
        tag_weights.back().push_back(0.5f * static_cast<float>(i + 1));
      }
    }
    columns.add("x", x);
    columns.add("y", y);
    columns.add("u", u);
    columns.add("ad", ad);
    columns.add("request", request);
    columns.add("shown", shown);
    columns.add("traffic", traffic);
    columns.add("click", click);
    columns.add("ectr", ectr);
    columns.add("weight", weight);
    columns.add("tags", tags);
    columns.add("tag_weights", tag_weights);
  }

  size_t rows = 0;
  ColumnMaker columns;
};

// Loads every column of the sample; ad and tags share table 0.
inline LoaderOptions sample_options() {
  LoaderOptions options;
  options.batch_size = 8;
  options.seed = 11;
  options.request = "request";
  options.weight = "weight";
  options.dense = {{Domain::kRow, {"x", "y"}}, {Domain::kRequest, {"u"}}};
  options.ids = {{.column = "ad", .table = 0, .table_rows = 50},
                 {.column = "tags",
                  .weights = "tag_weights",
                  .multi = true,
                  .pooling = Pooling::kMean,
                  .table = 0,
                  .table_rows = 50}};
  options.tasks = {{.target = "click", .pseudo = "ectr", .shown = "shown", .traffic = "traffic", .probability = true},
                   {.target = "ectr", .shift = 0.5, .scale = 2, .probability = false}};
  return options;
}

}  // namespace prerank::testing_io
