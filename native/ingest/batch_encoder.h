// Encodes blocks of rows into the columns of a record batch: judges every row, samples, maps ids, transforms numbers.
// One object a worker; which worker encodes a block has no influence on the final bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ingest/row_block.h"
#include "prerank/ingest.h"
#include "prerank/status.h"

namespace prerank::ingest {

// What has to be done to a column's values when all parts are read.
struct Remap {
  enum class Kind : uint8_t { kNone, kVocabulary, kRequest };
  Kind kind = Kind::kNone;
  size_t dictionary = 0;  // kVocabulary: index for BatchEncoder's dictionaries and DictionaryMerge
};

struct OutputColumn {
  std::string name;
  ColumnType type = ColumnType::kFloat32;
  Remap remap = {};
};

// The output columns of a spec in the order of output_order. kInvalidArgument when the spec does not hold together.
Result<std::vector<OutputColumn>> output_columns(const IngestSpec& spec);

struct ColumnData {
  const void* values = nullptr;
  size_t value_count = 0;
  const int32_t* offsets = nullptr;  // lists: rows + 1
};

// duplicates: rows that repeat request and ad of an earlier good row, whatever the policy does to them.
struct PartCounts {
  uint64_t rows = 0, requests = 0, rejected = 0, dropped = 0, sampled_out = 0, duplicates = 0;
};

// Statistics of the features over some rows. Merging in the order of the log gives the same bits for any threads.
class FeatureStatistics {
 public:
  virtual ~FeatureStatistics() = default;
  virtual void merge(const FeatureStatistics& later) = 0;
};

class DictionaryMerge;

class BatchEncoder {
 public:
  static Result<std::unique_ptr<BatchEncoder>> create(const IngestSpec& spec);
  virtual ~BatchEncoder() = default;

  // Appends the rows of the block that are kept to the open batch. Rejected rows are added to `rejects` (each with the
  // first reason found).
  virtual Status encode(const RowBlock& block, std::vector<RejectedRow>& rejects) = 0;

  // The open batch.
  virtual size_t rows() const = 0;
  virtual size_t requests() const = 0;  // request codes inside a batch are 0, 1, …; kRequest adds what came before
  virtual size_t bytes() const = 0;
  virtual std::vector<ColumnData> columns() const = 0;  // in the order of output_columns(); valid until the next call
  virtual void clear() = 0;                             // starts a new batch

  // Since the last call: counts, and statistics (at the end of each part, so that they can be merged in order).
  virtual PartCounts take_counts() = 0;
  virtual std::unique_ptr<FeatureStatistics> take_statistics() = 0;

  // Bytes held by dictionaries, against the memory bound, and what messages call the largest of them: "table ads" or
  // "role user".
  virtual size_t dictionary_bytes() const = 0;
  virtual std::string largest_dictionary() const = 0;
};

// Unites the dictionaries of all encoders (same spec) into the final vocabularies.
class DictionaryMerge {
 public:
  // Takes the encoders' dictionaries; the encoders encode nothing afterwards.
  static Result<std::unique_ptr<DictionaryMerge>> create(const IngestSpec& spec,
                                                         std::span<const std::unique_ptr<BatchEncoder>> encoders);
  virtual ~DictionaryMerge() = default;
  // Final values for the provisional ones that encoder `worker` wrote: value v becomes map[v].
  virtual std::span<const uint32_t> map(size_t dictionary, size_t worker) const = 0;
  virtual std::vector<LearntTable> take_tables() = 0;  // in the order of IngestSpec::tables
  // The summaries of the features from the merged statistics. Ids out of vocabulary are counted here only for columns
  // that need no remapping; for the others whoever remaps counts the zeros it writes, less the nulls of single-valued
  // columns, which are zeros too.
  virtual std::vector<FeatureSummary> summarise(const FeatureStatistics& all) const = 0;
};

}  // namespace prerank::ingest
