// The BatchEncoder: one encoder a column, a verdict over all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ingest/batch_encoder.h"
#include "ingest/code_encoder.h"
#include "ingest/dense_encoder.h"
#include "ingest/dictionary.h"
#include "ingest/duplicates.h"
#include "ingest/hyperloglog.h"
#include "ingest/id_encoder.h"
#include "ingest/id_list_encoder.h"
#include "ingest/id_mapper.h"
#include "ingest/kept_rows.h"
#include "ingest/number_encoder.h"
#include "ingest/output_columns.h"
#include "ingest/rules.h"
#include "ingest/sampling.h"
#include "ingest/verdict.h"

namespace prerank::ingest {

class BlockEncoder final : public BatchEncoder {
 public:
  static Result<std::unique_ptr<BatchEncoder>> create(const IngestSpec& spec);

  Status encode(const RowBlock& block, std::vector<RejectedRow>& rejects) override;
  size_t rows() const override { return rows_; }
  size_t requests() const override { return requests_; }
  size_t bytes() const override;
  std::vector<ColumnData> columns() const override;
  void clear() override;
  PartCounts take_counts() override;
  std::unique_ptr<FeatureStatistics> take_statistics() override;
  size_t dictionary_bytes() const override;
  std::string largest_dictionary() const override;

  // Of the id columns; null where a dictionary counts the distinct values.
  std::vector<std::unique_ptr<HyperLogLog>> take_sketches();
  // By DictionaryLayout; null where no row has shown the type of a code.
  std::vector<std::unique_ptr<Dictionary>> take_dictionaries() { return std::move(dictionaries_); }

 private:
  explicit BlockEncoder(const IngestSpec& spec);
  Status add_tables(const IngestSpec& spec);
  void add_columns(const IngestSpec& spec);

  Status check_block(const RowBlock& block) const;
  Status judge(const RowBlock& block);
  Status append();
  void report(const RowBlock& block, std::vector<RejectedRow>& rejects) const;
  ColumnData column(const OutputSource& source) const;

  std::vector<PlannedOutput> outputs_;
  size_t inputs_ = 0;  // columns that the query must have
  size_t row_input_;
  std::optional<size_t> origin_input_;
  bool has_requests_;

  std::vector<std::unique_ptr<Dictionary>> dictionaries_;
  std::vector<std::string> dictionary_names_;
  std::vector<IdMapper> mappers_;  // by table
  std::vector<std::string> table_names_;
  std::vector<CodeEncoder> codes_;
  std::vector<NumberEncoder> numbers_;
  std::vector<DenseEncoder> dense_;
  std::vector<std::variant<IdEncoder, IdListEncoder>> ids_;
  RoleColumns roles_;
  DuplicateFilter duplicates_;
  Sampler sampler_;

  Verdict verdict_;
  KeptRows kept_;
  uint64_t found_duplicates_ = 0;  // in the block
  size_t rows_ = 0;
  size_t requests_ = 0;
  PartCounts counts_;
  uint64_t statistics_rows_ = 0;
  uint64_t statistics_requests_ = 0;
};

}  // namespace prerank::ingest
