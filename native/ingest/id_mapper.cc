#include "ingest/id_mapper.h"

#include <algorithm>
#include <string_view>

#include "base/xxhash.h"
#include "cpu/dispatch.h"
#include "cpu/simd/table.h"
#include "ingest/id_values.h"

namespace prerank::ingest {
namespace {

constexpr size_t kAtOnce = 512;

}  // namespace

IdMapper::IdMapper(ValueType type, uint64_t buckets, Dictionary* learnt)
    : type_(type),
      buckets_(buckets == 0 ? 1 : buckets),
      null_row_(buckets == 0 ? 0 : buckets_.of(xxh64(nullptr, 0))),
      learnt_(learnt) {}

Result<IdMapper> IdMapper::create(const IdTable& table, Dictionary* learnt) {
  IdMapper mapper(table.type, table.buckets, learnt);
  if (table.buckets > 0 || learnt != nullptr) return mapper;
  mapper.known_ = Dictionary::create(table.type, 1);
  if (const Status added = mapper.known_->add(table.values); !added.ok()) {
    return Status(added.code(), "table \"" + table.name + "\": " + added.message());
  }
  return mapper;
}

Status IdMapper::map(const Elements& elements, uint32_t* rows, HyperLogLog* sketch) {
  if (learnt_ != nullptr) return learnt_->learn(elements, rows, sketch);
  if (known_ != nullptr) known_->find(elements, rows, sketch);
  else if (type_ == ValueType::kInt) hash_ints(elements, rows, sketch);
  else hash_texts(elements, rows, sketch);
  return {};
}

void IdMapper::hash_ints(const Elements& elements, uint32_t* rows, HyperLogLog* sketch) {
  const int64_t* const keys = read_ints(elements, scratch_);
  const cpu::SimdTable& simd = cpu::simd();
  uint64_t hashes[kAtOnce];
  for (size_t from = 0; from < elements.count; from += kAtOnce) {
    const size_t count = std::min(kAtOnce, elements.count - from);
    simd.hash_words(count, keys + from, hashes);
    simd.bucket_rows(count, hashes, buckets_.count(), buckets_.reciprocal(), rows + from);
    if (sketch != nullptr) sketch->add({hashes, count});
  }
}

void IdMapper::hash_texts(const Elements& elements, uint32_t* rows, HyperLogLog* sketch) {
  for (size_t i = 0; i < elements.count; ++i) {
    const std::string_view text = elements.view->text(elements.row(i));
    const uint64_t hash = xxh64(text.data(), text.size());
    rows[i] = buckets_.of(hash);
    if (sketch != nullptr) sketch->add(hash);
  }
}

}  // namespace prerank::ingest
