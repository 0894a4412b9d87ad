#include "ingest/verdict.h"

#include <utility>

namespace prerank::ingest {

void Verdict::reset(size_t rows) {
  fates_.assign(rows, Fate::kKept);
  rejections_.clear();
  kept_ = rows;
  dropped_ = 0;
  sampled_out_ = 0;
}

bool Verdict::lose(size_t row, Fate fate) {
  if (fates_[row] != Fate::kKept) return false;
  fates_[row] = fate;
  --kept_;
  return true;
}

void Verdict::reject(size_t row, std::string_view column, std::string value, std::string reason) {
  if (lose(row)) rejections_.push_back({row, std::string(column), std::move(value), std::move(reason)});
}

void Verdict::drop(size_t row) {
  if (lose(row)) ++dropped_;
}

void Verdict::sample_out(size_t row) {
  if (lose(row)) ++sampled_out_;
}

void Verdict::drop_duplicate(size_t row) { lose(row, Fate::kDuplicate); }

}  // namespace prerank::ingest
