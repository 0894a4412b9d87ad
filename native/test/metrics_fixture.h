// A dataset over vectors, cut into chunks of any sizes, for the metrics' tests.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "prerank/dataset.h"

namespace prerank::testing_metrics {

class Table {
 public:
  // Chunk sizes add up to the rows of every column.
  explicit Table(std::vector<size_t> chunk_rows) : chunk_rows_(std::move(chunk_rows)) {}

  Table& add(const std::string& name, std::vector<float> values) {
    return add(name, ColumnType::kFloat32, floats_, std::move(values));
  }
  Table& add(const std::string& name, std::vector<uint32_t> values) {
    return add(name, ColumnType::kUint32, words_, std::move(values));
  }
  Table& add(const std::string& name, std::vector<uint8_t> values) {
    return add(name, ColumnType::kUint8, bytes_, std::move(values));
  }

  std::shared_ptr<Dataset> dataset(std::vector<ChunkChecksum> checksums = {}) const {
    return Dataset::create(columns_, nullptr, std::move(checksums)).value();
  }

 private:
  template <class T>
  Table& add(const std::string& name, ColumnType type, std::deque<std::vector<T>>& store, std::vector<T> values) {
    store.push_back(std::move(values));
    Column column{name, type, {}};
    size_t at = 0;
    for (const size_t rows : chunk_rows_) {
      column.chunks.push_back({store.back().data() + at, rows, nullptr, rows});
      at += rows;
    }
    columns_.push_back(std::move(column));
    return *this;
  }

  std::vector<size_t> chunk_rows_;
  std::deque<std::vector<float>> floats_;
  std::deque<std::vector<uint32_t>> words_;
  std::deque<std::vector<uint8_t>> bytes_;
  std::vector<Column> columns_;
};

}  // namespace prerank::testing_metrics
