#include "ingest/request_split.h"

#include "base/xxhash.h"
#include "ingest/verdict_text.h"

namespace prerank::ingest {
namespace {

constexpr double kHashRange = 18446744073709551616.0;  // 2^64

}  // namespace

bool hash_below(const std::string& text, double rate) {
  return static_cast<double>(xxh64(text.data(), text.size())) < rate * kHashRange;
}

RequestSplit::RequestSplit(uint64_t seed, double fraction, bool keep_below)
    : prefix_("split/" + std::to_string(seed) + "/"), fraction_(fraction), keep_below_(keep_below) {}

bool RequestSplit::keeps(const VectorView& requests, size_t row) {
  if (!splits() || !requests.valid(row)) return true;
  key_ = prefix_;
  append_text(requests, row, key_);
  return hash_below(key_, fraction_) == keep_below_;
}

}  // namespace prerank::ingest
