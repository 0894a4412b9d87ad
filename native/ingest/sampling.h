// Which rows are drawn: split by request, augmentation, rates by stage. Draws are hashes of seed, request and ad.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ingest/batch_encoder.h"
#include "ingest/kept_rows.h"
#include "ingest/output_buffer.h"
#include "ingest/request_split.h"
#include "ingest/row_block.h"
#include "ingest/rules.h"
#include "ingest/verdict.h"
#include "prerank/ingest.h"
#include "prerank/status.h"

namespace prerank::ingest {

class Sampler {
 public:
  explicit Sampler(const IngestSpec& spec);

  // Before rows are judged: those of requests on the other side of the split are no business of this dataset. Rows
  // without a request stay, to be judged.
  void split(const RowBlock& block, Verdict& verdict);
  // After rows are judged: draws among the rows that are still kept, and writes the weights of all behind the batch.
  Status draw(const RowBlock& block, const RoleColumns& roles, Verdict& verdict);
  // Adds the weights of the kept rows.
  void append(const KeptRows& kept);

  // The weight column, when there is one.
  ColumnData weights() const { return {weights_.data(), weights_.size(), nullptr}; }
  size_t bytes() const { return weights_.bytes(); }
  void clear() { weights_.clear(); }

 private:
  bool draws() const { return sampling_.augment || !sampling_.stage_rates.empty(); }
  void find_rates(const RowBlock& block, const RoleColumns& roles, const Verdict& verdict);
  void find_pool_rates(const RowBlock& block, const RoleColumns& roles, const Verdict& verdict);
  void draw_rows(const RowBlock& block, Verdict& verdict);
  Status weigh(const RowBlock& block, const NumberEncoder* weight, Verdict& verdict);

  Sampling sampling_;
  RequestSplit split_;
  std::optional<size_t> request_input_;
  std::optional<size_t> ad_input_;
  std::string key_;            // text that is hashed
  std::vector<double> rates_;  // of each row of the block; 1: kept for sure
  std::vector<uint8_t> in_pool_;
  OutputBuffer<float> weights_;
};

}  // namespace prerank::ingest
