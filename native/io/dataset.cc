#include "prerank/dataset.h"

#include <limits>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "base/block_checksum.h"
#include "io/fault_guard.h"

namespace prerank {
namespace {

bool is_list(ColumnType type) { return type == ColumnType::kListUint32 || type == ColumnType::kListFloat32; }

size_t element_bytes(ColumnType type) { return type == ColumnType::kUint8 ? 1 : 4; }

bool aligned(const void* address, size_t bytes) { return reinterpret_cast<uintptr_t>(address) % bytes == 0; }

Status invalid(const Column& column, const std::string& what) {
  return {Code::kInvalidArgument, "column " + column.name + ": " + what};
}

Status check_offsets(const Column& column, const ColumnChunk& chunk, size_t first_row) {
  int64_t previous = chunk.offsets[0];
  if (previous < 0) return invalid(column, "row " + std::to_string(first_row) + ": negative list offset");
  for (size_t r = 0; r < chunk.rows; ++r) {
    const int64_t next = chunk.offsets[r + 1];
    if (next < previous || static_cast<size_t>(next) > chunk.value_count) {
      return invalid(column, "row " + std::to_string(first_row + r) + ": list offsets " + std::to_string(previous) +
                                 " and " + std::to_string(next) + " do not fit its " +
                                 std::to_string(chunk.value_count) + " values");
    }
    previous = next;
  }
  return {};
}

Status check_memory(const Column& column, const ColumnChunk& chunk, size_t first_row) {
  const std::string at = "the chunk at row " + std::to_string(first_row) + " ";
  if (chunk.value_count > 0 && (chunk.values == nullptr || !aligned(chunk.values, element_bytes(column.type)))) {
    return invalid(column, at + "has no values or misaligned ones");
  }
  if (!is_list(column.type)) {
    if (chunk.value_count < chunk.rows) {
      return invalid(column, at + "has " + std::to_string(chunk.value_count) + " values for " +
                                 std::to_string(chunk.rows) + " rows");
    }
    return {};
  }
  if (chunk.rows == 0) return {};
  if (chunk.offsets == nullptr || !aligned(chunk.offsets, sizeof(int32_t))) {
    return invalid(column, at + "has no list offsets or misaligned ones");
  }
  return {};
}

// List offsets of one chunk of all columns.
Status check_lists(std::span<const Column> columns, size_t chunk, size_t first_row) {
  for (const Column& column : columns) {
    const ColumnChunk& part = column.chunks[chunk];
    if (is_list(column.type) && part.rows > 0) PRERANK_RETURN_IF_ERROR(check_offsets(column, part, first_row));
  }
  return {};
}

class DatasetImpl final : public Dataset {
 public:
  DatasetImpl(std::vector<Column> columns, std::unordered_map<std::string, size_t> by_name, size_t rows,
              SourceWatch watch, std::vector<ChunkChecksum> checksums, std::shared_ptr<void> keep_alive)
      : columns_(std::move(columns)),
        by_name_(std::move(by_name)),
        rows_(rows),
        watch_(std::move(watch)),
        checksums_(std::move(checksums)),
        verdicts_(std::make_unique<Verdict[]>(checksums_.size())),
        keep_alive_(std::move(keep_alive)) {}

  size_t rows() const override { return rows_; }
  std::span<const Column> columns() const override { return columns_; }
  Result<size_t> find(const std::string& name) const override {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return Status(Code::kNotFound, "the dataset has no column " + name);
    return found->second;
  }

  Status verify(size_t chunk) const override {
    if (checksums_.empty()) return {};
    Verdict& verdict = verdicts_[chunk];
    std::call_once(verdict.once, [&] { verdict.status = judge(chunk); });
    return verdict.status;
  }

 private:
  struct Verdict {
    std::once_flag once;
    Status status;
  };

  Status judge(size_t chunk) const {
    const ChunkChecksum& checksum = checksums_[chunk];
    const uint64_t found = block_checksum(checksum.message);
    PRERANK_RETURN_IF_ERROR(watch_.check());  // a file that shrank reads as zeros
    if (found != checksum.expected) {
      return {Code::kDatasetCorrupt, checksum.file + ": record batch " + std::to_string(checksum.batch) +
                                         " is damaged: its bytes do not have the checksum they were written with. "
                                         "Copy the dataset again, or make it again from the log"};
    }
    size_t first_row = 0;
    for (size_t k = 0; k < chunk; ++k) first_row += columns_.front().chunks[k].rows;
    return check_lists(columns_, chunk, first_row);
  }

  std::vector<Column> columns_;
  std::unordered_map<std::string, size_t> by_name_;
  size_t rows_;
  SourceWatch watch_;
  std::vector<ChunkChecksum> checksums_;
  std::unique_ptr<Verdict[]> verdicts_;
  std::shared_ptr<void> keep_alive_;
};

}  // namespace

Result<std::shared_ptr<Dataset>> Dataset::create(std::vector<Column> columns, std::shared_ptr<void> keep_alive,
                                                 std::vector<ChunkChecksum> checksums) {
  std::unordered_map<std::string, size_t> by_name;
  SourceWatch watch;
  size_t rows = 0;
  for (size_t c = 0; c < columns.size(); ++c) {
    const Column& column = columns[c];
    if (!by_name.emplace(column.name, c).second) return invalid(column, "given twice");
    const Column& first = columns.front();
    if (column.chunks.size() != first.chunks.size()) {
      return invalid(column, "has " + std::to_string(column.chunks.size()) + " chunks, column " + first.name + " has " +
                                 std::to_string(first.chunks.size()));
    }
    size_t at = 0;
    for (size_t k = 0; k < column.chunks.size(); ++k) {
      const ColumnChunk& chunk = column.chunks[k];
      if (chunk.rows != first.chunks[k].rows) {
        return invalid(column, "chunk " + std::to_string(k) + " has " + std::to_string(chunk.rows) + " rows, column " +
                                   first.name + " has " + std::to_string(first.chunks[k].rows));
      }
      watch.add(chunk.values);
      watch.add(chunk.offsets);
      PRERANK_RETURN_IF_ERROR(check_memory(column, chunk, at));
      if (checksums.empty() && is_list(column.type) && chunk.rows > 0) {
        PRERANK_RETURN_IF_ERROR(check_offsets(column, chunk, at));
      }
      at += chunk.rows;
    }
    rows = at;
  }
  if (rows > std::numeric_limits<uint32_t>::max()) {
    return Status(Code::kUnsupported, "a dataset holds at most 4294967295 rows, this one has " + std::to_string(rows));
  }
  const size_t chunks = columns.empty() ? 0 : columns.front().chunks.size();
  if (!checksums.empty() && checksums.size() != chunks) {
    return Status(Code::kInvalidArgument, "a dataset of " + std::to_string(chunks) + " chunks has " +
                                              std::to_string(checksums.size()) + " checksums");
  }
  for (const ChunkChecksum& checksum : checksums) watch.add(checksum.message.data());
  PRERANK_RETURN_IF_ERROR(watch.check());
  return std::shared_ptr<Dataset>(std::make_shared<DatasetImpl>(
      std::move(columns), std::move(by_name), rows, std::move(watch), std::move(checksums), std::move(keep_alive)));
}

}  // namespace prerank
