// Logs in memory for the tests of the encoders: cells, chunks with DuckDB's layout, blocks cut as a test likes, and the
// encoded columns as plain vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ingest/batch_encoder.h"
#include "ingest/row_block.h"
#include "prerank/ingest.h"

namespace prerank::testing_encode {

// A value of a log: null, a number, a text or a list.
struct Cell {
  enum class Kind { kNull, kInt, kReal, kText, kList };

  Cell() = default;
  Cell(int value) : kind(Kind::kInt), integer(value) {}           // NOLINT: implicit by design
  Cell(int64_t value) : kind(Kind::kInt), integer(value) {}       // NOLINT
  Cell(uint64_t value) : Cell(static_cast<int64_t>(value)) {}     // NOLINT: keeps its bits
  Cell(double value) : kind(Kind::kReal), real(value) {}          // NOLINT
  Cell(const char* value) : kind(Kind::kText), text(value) {}     // NOLINT
  Cell(std::string value) : kind(Kind::kText), text(std::move(value)) {}               // NOLINT
  Cell(std::vector<Cell> value) : kind(Kind::kList), list(std::move(value)) {}  // NOLINT

  bool null() const { return kind == Kind::kNull; }
  double number() const { return kind == Kind::kReal ? real : static_cast<double>(integer); }

  Kind kind = Kind::kNull;
  int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<Cell> list;
};

using Cells = std::vector<Cell>;
Cell list(std::vector<Cell> cells);

// How the lists of a column lie in their child vector.
enum class ListLayout { kDense, kGaps, kReversed };

struct LogColumn {
  ingest::Physical type = ingest::Physical::kInt64;
  Cells cells;
  ingest::Physical element = ingest::Physical::kInt64;  // lists
  ListLayout layout = ListLayout::kDense;
};

// Columns of a log, all as long; column 0 is the row number.
class TestLog {
 public:
  explicit TestLog(size_t rows);
  // The index of the new column.
  size_t add(ingest::Physical type, Cells cells);
  size_t add_lists(ingest::Physical element, Cells cells, ListLayout layout = ListLayout::kDense);

  size_t rows() const { return rows_; }
  const Cells& cells(size_t column) const { return columns_[column].cells; }

  // Rows [from, to) as one block of chunks of at most `chunk_rows` rows. Requests are runs of equal cells of
  // `request_column` (none: rows without requests). The chunks begin `skipped` rows before the block.
  ingest::RowBlock block(size_t from, size_t to, size_t chunk_rows, const size_t* request_column,
                         size_t skipped = 0) const;
  ingest::RowBlock all(const size_t* request_column = nullptr) const { return block(0, rows_, 2048, request_column); }

 private:
  std::shared_ptr<const ingest::Chunk> chunk(size_t from, size_t to) const;

  size_t rows_;
  std::vector<LogColumn> columns_;
};

// The columns of a dataset by name. Lists: one vector a row.
struct Encoded {
  std::map<std::string, std::vector<double>> numbers;                // float32, uint8 and uint32
  std::map<std::string, std::vector<std::vector<double>>> lists;
  std::vector<RejectedRow> rejects;
  ingest::PartCounts counts;
  std::vector<LearntTable> tables;
  std::vector<FeatureSummary> features;
};

// A block and the worker that encodes it. A new record batch is begun before a block with `new_batch`, and statistics
// are taken before a block with `new_part`.
struct Work {
  ingest::RowBlock block;
  size_t worker = 0;
  bool new_batch = false;
  bool new_part = false;
};

// Encodes the blocks in their order, unites the dictionaries and maps the values as the pipeline does.
Encoded encode(const IngestSpec& spec, std::vector<Work> work, size_t workers = 1);
Encoded encode(const IngestSpec& spec, const ingest::RowBlock& block);

// The reasons of the rejects with their rows (from 1), as "row: reason".
std::vector<std::string> reasons(const Encoded& encoded);

// Specs with one column, read from input `input`, written as "x".
NumberColumn number(size_t input, NumberRule rule, bool nullable, NumberRole role = NumberRole::kNone);
DenseColumn dense(size_t input, std::vector<DenseTransform> transforms = {}, NullPolicy nulls = NullPolicy::kDefault);
IdColumn id(size_t input, size_t table = 0, NullPolicy nulls = NullPolicy::kDefault);
IdColumn id_list(size_t input, size_t table = 0, NullPolicy nulls = NullPolicy::kDefault);
IdTable hashed(ValueType type, uint64_t buckets);
IdTable vocabulary(ValueType type, std::vector<std::string> values, bool learn = false);
// Fills output_order with all outputs of the spec in the order of its lists.
IngestSpec& order_outputs(IngestSpec& spec);

}  // namespace prerank::testing_encode
