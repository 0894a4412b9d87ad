// Columns of a dataset as metrics read them: in place, piece by piece, each record batch verified before its values
// count.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "io/fault_guard.h"
#include "prerank/dataset.h"

namespace prerank {

// Where the chunks of a dataset begin.
class ChunkStarts {
 public:
  explicit ChunkStarts(const Dataset& dataset) {
    if (dataset.columns().empty()) return;
    size_t row = 0;
    for (const ColumnChunk& chunk : dataset.columns().front().chunks) ends_.push_back(row += chunk.rows);
  }
  size_t chunk_of(size_t row) const {
    return static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), row) - ends_.begin());
  }
  size_t begin(size_t chunk) const { return chunk == 0 ? 0 : ends_[chunk - 1]; }
  size_t end(size_t chunk) const { return ends_[chunk]; }

 private:
  std::vector<size_t> ends_;
};

// One thread's view of a scalar column. The dataset and the starts must outlive it.
template <class T>
class ColumnView {
 public:
  ColumnView() = default;
  ColumnView(const Dataset& dataset, const ChunkStarts& starts, const Column& column)
      : dataset_(&dataset), starts_(&starts), column_(&column) {}

  explicit operator bool() const { return column_ != nullptr; }

  // Values of the rows from `row` to `end` or the end of the chunk, whichever comes first; row < end <= the dataset's
  // rows. A chunk that does not verify reads as nothing: status() says why.
  std::span<const T> from(size_t row, size_t end) {
    if (row < begin_ || row >= end_) seek(row);
    if (!status_.ok()) return {};
    return {static_cast<const T*>(column_->chunks[chunk_].values) + (row - begin_), std::min(end, end_) - row};
  }

  const Status& status() const { return status_; }

 private:
  void seek(size_t row) {
    chunk_ = starts_->chunk_of(row);
    begin_ = starts_->begin(chunk_);
    end_ = starts_->end(chunk_);
    if (status_.ok()) status_ = dataset_->verify(chunk_);
  }

  const Dataset* dataset_ = nullptr;
  const ChunkStarts* starts_ = nullptr;
  const Column* column_ = nullptr;
  size_t chunk_ = 0, begin_ = 0, end_ = 0;
  Status status_;
};

// Looks columns up by name and watches the files behind them.
class ColumnFinder {
 public:
  explicit ColumnFinder(const Dataset& dataset) : dataset_(dataset), starts_(dataset) {}
  ColumnFinder(const ColumnFinder&) = delete;
  ColumnFinder& operator=(const ColumnFinder&) = delete;

  size_t rows() const { return dataset_.rows(); }

  // An absent view for an empty name; kNotFound or kInvalidArgument when the column does not serve.
  Result<ColumnView<float>> floats(const std::string& name) { return view<float>(name, ColumnType::kFloat32); }
  Result<ColumnView<uint32_t>> codes(const std::string& name) { return view<uint32_t>(name, ColumnType::kUint32); }
  Result<ColumnView<uint8_t>> flags(const std::string& name) { return view<uint8_t>(name, ColumnType::kUint8); }

  // kDatasetChanged when a file behind the columns is shorter now than it was; to be called after reading.
  Status check() const { return watch_.check(); }

 private:
  template <class T>
  Result<ColumnView<T>> view(const std::string& name, ColumnType type) {
    if (name.empty()) return ColumnView<T>();
    PRERANK_ASSIGN_OR_RETURN(const size_t index, dataset_.find(name));
    const Column& column = dataset_.columns()[index];
    if (column.type != type) return Status(Code::kInvalidArgument, "column " + name + " has another type");
    for (const ColumnChunk& chunk : column.chunks) watch_.add(chunk.values);
    return ColumnView<T>(dataset_, starts_, column);
  }

  const Dataset& dataset_;
  ChunkStarts starts_;
  SourceWatch watch_;
};

}  // namespace prerank
