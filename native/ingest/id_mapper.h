// From the raw ids of one table to its rows: by hash, by a known vocabulary, or by one that is learnt.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ingest/dictionary.h"
#include "ingest/hyperloglog.h"
#include "ingest/id_hash.h"
#include "ingest/kept_rows.h"
#include "prerank/ingest.h"
#include "prerank/status.h"

namespace prerank::ingest {

class IdMapper {
 public:
  // `learnt`: the table's dictionary when it is learnt, with the known values in it; it outlives the mapper.
  static Result<IdMapper> create(const IdTable& table, Dictionary* learnt);

  // Rows (provisional ones of a learnt table) of elements, none of them null, whose type check_id_type() has seen.
  // `sketch` may be null.
  Status map(const Elements& elements, uint32_t* rows, HyperLogLog* sketch);

  ValueType type() const { return type_; }
  uint32_t null_row() const { return null_row_; }
  // Whether row 0 is out-of-vocabulary and final.
  bool fixed_vocabulary() const { return known_ != nullptr; }
  size_t bytes() const { return known_ == nullptr ? 0 : known_->bytes(); }

 private:
  IdMapper(ValueType type, uint64_t buckets, Dictionary* learnt);
  void hash_ints(const Elements& elements, uint32_t* rows, HyperLogLog* sketch);
  void hash_texts(const Elements& elements, uint32_t* rows, HyperLogLog* sketch);

  ValueType type_;
  Buckets buckets_;
  uint32_t null_row_ = 0;
  Dictionary* learnt_ = nullptr;
  std::unique_ptr<Dictionary> known_;
  std::vector<int64_t> scratch_;
};

}  // namespace prerank::ingest
