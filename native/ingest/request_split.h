// Which requests are on a dataset's side of a split.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ingest/row_block.h"

namespace prerank::ingest {

// Keeps a request when xxh64(UTF-8 "split/seed/request") < fraction · 2^64, or the others. A fraction below 0 keeps all.
class RequestSplit {
 public:
  RequestSplit(uint64_t seed, double fraction, bool keep_below);

  bool splits() const { return fraction_ >= 0; }
  // Whether the request in this row is kept; a row without one is.
  bool keeps(const VectorView& requests, size_t row);

 private:
  std::string prefix_;
  std::string key_;  // text that is hashed
  double fraction_;
  bool keep_below_;
};

// Whether the hash of a text lies in the first `rate` of all hashes.
bool hash_below(const std::string& text, double rate);

}  // namespace prerank::ingest
