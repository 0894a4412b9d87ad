// Rows that repeat an ad inside their request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "ingest/row_block.h"
#include "ingest/verdict.h"
#include "prerank/ingest.h"
#include "prerank/status.h"

namespace prerank::ingest {

class DuplicateFilter {
 public:
  explicit DuplicateFilter(const IngestSpec& spec);

  // Whether the spec has requests and ads to compare.
  bool active() const { return active_; }
  // Looks at the rows that are still kept: the first of each request and ad stays, the others go the way of the policy.
  // Returns how many others there are.
  Result<uint64_t> judge(const RowBlock& block, Verdict& verdict);

 private:
  struct Place {
    uint32_t stamp = 0;  // of the request that filled it
    uint32_t row = 0;    // of the block
  };

  Status read_keys(const RowBlock& block, const Verdict& verdict);
  bool same(size_t a, size_t b) const;
  void start_request(size_t rows);
  void judge_duplicate(const RowBlock& block, size_t row, size_t first, Verdict& verdict) const;

  bool active_;
  DuplicatePolicy policy_;
  size_t ad_input_ = 0;
  size_t row_input_ = 0;
  std::optional<size_t> origin_input_;
  bool texts_ = false;
  std::vector<uint64_t> keys_;           // of each row: the integer, or the hash of the string
  std::vector<std::string_view> strings_;
  std::vector<uint8_t> looked_at_;       // rows that take part
  std::vector<Place> places_;
  uint32_t stamp_ = 0;
};

}  // namespace prerank::ingest
