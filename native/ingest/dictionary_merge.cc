#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ingest/batch_encoder.h"
#include "ingest/block_encoder.h"
#include "ingest/dictionary_int.h"
#include "ingest/dictionary_layout.h"
#include "ingest/dictionary_text.h"
#include "ingest/hyperloglog.h"
#include "ingest/statistics.h"

namespace prerank::ingest {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

// Which values get a code of their own, and which one.
struct Admission {
  uint32_t base = 0;   // provisional code of the first value; below it is out-of-vocabulary
  uint32_t first = 0;  // final code of the first value
  size_t known = 0;    // first values, which keep their codes
  uint64_t min_frequency = 1;
  uint64_t most = std::numeric_limits<uint64_t>::max();  // values
};

// A dictionary of all workers.
struct United {
  std::vector<std::vector<uint32_t>> maps;  // by worker: provisional code to final code
  std::vector<std::string> added;           // texts of the new values, in the order of their codes
  uint64_t refused = 0;
  uint64_t distinct = 0;  // values that occurred
  uint64_t total = 0;
  uint64_t most_frequent = 0;
};

using Parts = std::vector<std::unique_ptr<Dictionary>>;  // by worker, null where nothing was read

// Indices of all workers' values in one dictionary that holds them all.
template <class D>
struct Union {
  D* all = nullptr;
  std::vector<std::vector<uint32_t>> indices;  // by worker
  std::vector<uint64_t> counts;
};

// Adds the values of all parts to the largest of them.
template <class D>
Result<Union<D>> unite_values(const Parts& parts) {
  Union<D> result;
  size_t largest = 0;
  for (size_t worker = 0; worker < parts.size(); ++worker) {
    if (parts[worker] == nullptr) continue;
    if (result.all != nullptr && parts[worker]->size() <= result.all->size()) continue;
    result.all = static_cast<D*>(parts[worker].get());
    largest = worker;
  }
  result.indices.resize(parts.size());
  if (result.all == nullptr) return result;
  result.counts = result.all->counts();
  for (size_t i = 0; i < result.all->size(); ++i) result.indices[largest].push_back(static_cast<uint32_t>(i));
  for (size_t worker = 0; worker < parts.size(); ++worker) {
    if (worker == largest || parts[worker] == nullptr) continue;
    const D& part = static_cast<const D&>(*parts[worker]);
    result.all->take_sign(part);
    const std::vector<uint64_t> counts = part.counts();
    result.indices[worker].reserve(part.size());
    for (size_t i = 0; i < part.size(); ++i) {
      PRERANK_ASSIGN_OR_RETURN(const uint32_t index, result.all->insert(part.key(i)));
      if (index == result.counts.size()) result.counts.push_back(0);
      result.counts[index] += counts[i];
      result.indices[worker].push_back(index);
    }
  }
  return result;
}

// New values that are frequent enough, by falling count, then value.
template <class D>
std::vector<uint32_t> order_new(const Union<D>& values, const Admission& admission) {
  struct Entry {
    uint64_t count;
    typename D::Key key;
    uint32_t index;
  };
  std::vector<Entry> entries;
  for (size_t i = admission.known; i < values.counts.size(); ++i) {
    if (values.counts[i] < admission.min_frequency) continue;
    entries.push_back({values.counts[i], values.all->key(i), static_cast<uint32_t>(i)});
  }
  std::sort(entries.begin(), entries.end(), [&values](const Entry& a, const Entry& b) {
    return a.count != b.count ? a.count > b.count : values.all->less(a.key, b.key);
  });
  std::vector<uint32_t> order;
  order.reserve(entries.size());
  for (const Entry& entry : entries) order.push_back(entry.index);
  return order;
}

template <class D>
Status unite(const Parts& parts, const Admission& admission, bool with_texts, United& united) {
  PRERANK_ASSIGN_OR_RETURN(const Union<D> values, unite_values<D>(parts));
  std::vector<uint32_t> order = order_new(values, admission);
  const uint64_t room = admission.most - std::min<uint64_t>(admission.known, admission.most);
  if (order.size() > room) {
    if (admission.base == 0) return {Code::kOutOfRange, "a role has more than 2^32 - 1 values"};
    united.refused = order.size() - room;
    order.resize(room);
  }
  std::vector<uint32_t> codes(values.counts.size(), 0);
  for (size_t i = 0; i < std::min(admission.known, codes.size()); ++i) {
    codes[i] = admission.first + static_cast<uint32_t>(i);
  }
  for (size_t rank = 0; rank < order.size(); ++rank) {
    codes[order[rank]] = admission.first + static_cast<uint32_t>(admission.known + rank);
  }
  for (const std::vector<uint32_t>& indices : values.indices) {
    std::vector<uint32_t>& map = united.maps.emplace_back(admission.base, 0);
    map.reserve(admission.base + indices.size());
    for (const uint32_t index : indices) map.push_back(codes[index]);
  }
  for (const uint64_t count : values.counts) {
    united.distinct += count > 0;
    united.total += count;
    united.most_frequent = std::max(united.most_frequent, count);
  }
  if (with_texts) {
    united.added.reserve(order.size());
    for (const uint32_t index : order) united.added.push_back(values.all->text(values.all->key(index)));
  }
  return {};
}

ValueType type_of(const Parts& parts) {
  for (const auto& part : parts) {
    if (part != nullptr) return part->type();
  }
  return ValueType::kInt;
}

Status unite_parts(const Parts& parts, const Admission& admission, bool with_texts, United& united) {
  const ValueType type = type_of(parts);
  for (const auto& part : parts) {
    if (part != nullptr && part->type() != type) return {Code::kInvalidArgument, "a code has two types of values"};
  }
  return type == ValueType::kInt ? unite<IntDictionary>(parts, admission, with_texts, united)
                                 : unite<TextDictionary>(parts, admission, with_texts, united);
}

class UnitedDictionaries final : public DictionaryMerge {
 public:
  explicit UnitedDictionaries(const IngestSpec& spec)
      : tables_(spec.tables), dense_(spec.dense), ids_(spec.ids), codes_(spec.codes), layout_(DictionaryLayout::of(spec)) {}

  Status unite_all(std::span<const std::unique_ptr<BatchEncoder>> encoders, size_t threads);

  std::span<const uint32_t> map(size_t dictionary, size_t worker) const override {
    return united_[dictionary].maps[worker];
  }
  std::vector<LearntTable> take_tables() override;
  std::vector<FeatureSummary> summarise(const FeatureStatistics& all) const override;

 private:
  FeatureSummary summarise_dense(const DenseColumn& column, const NumberStatistics& statistics,
                                 const LogStatistics& all) const;
  FeatureSummary summarise_ids(size_t index, const IdStatistics& statistics, const LogStatistics& all) const;
  void unite_sketches(std::vector<std::unique_ptr<HyperLogLog>> sketches);

  std::vector<IdTable> tables_;
  std::vector<DenseColumn> dense_;
  std::vector<IdColumn> ids_;
  std::vector<CodeColumn> codes_;
  DictionaryLayout layout_;
  std::vector<United> united_;
  std::vector<std::unique_ptr<HyperLogLog>> sketches_;  // of the id columns of all workers
};

void UnitedDictionaries::unite_sketches(std::vector<std::unique_ptr<HyperLogLog>> sketches) {
  if (sketches_.empty()) {
    sketches_ = std::move(sketches);
    return;
  }
  for (size_t i = 0; i < sketches_.size(); ++i) {
    if (sketches_[i] != nullptr) sketches_[i]->merge(*sketches[i]);
  }
}

Status UnitedDictionaries::unite_all(std::span<const std::unique_ptr<BatchEncoder>> encoders, size_t threads) {
  std::vector<Parts> parts(layout_.count);
  for (const auto& encoder : encoders) {
    auto& block_encoder = static_cast<BlockEncoder&>(*encoder);
    auto dictionaries = block_encoder.take_dictionaries();
    for (size_t i = 0; i < layout_.count; ++i) parts[i].push_back(std::move(dictionaries[i]));
    unite_sketches(block_encoder.take_sketches());
  }
  std::vector<Admission> admissions(layout_.count);
  for (size_t table = 0; table < tables_.size(); ++table) {
    if (!layout_.of_table[table].has_value()) continue;
    const IdTable& wanted = tables_[table];
    Admission& admission = admissions[*layout_.of_table[table]];
    admission.base = 1;
    admission.first = 1;
    admission.known = wanted.values.size();
    admission.min_frequency = std::max<uint64_t>(wanted.min_frequency, 1);
    admission.most = wanted.capacity == 0 ? std::numeric_limits<uint32_t>::max() - 1 : wanted.capacity - 1;
  }
  for (size_t code = 0; code < codes_.size(); ++code) {
    if (!layout_.of_code[code].has_value()) continue;
    Admission& admission = admissions[*layout_.of_code[code]];
    admission.first = codes_[code].first;
    admission.most = std::numeric_limits<uint32_t>::max() - codes_[code].first;
  }
  united_.resize(layout_.count);
  std::vector<Status> statuses(layout_.count);
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < layout_.count; i = next++) {
      statuses[i] = unite_parts(parts[i], admissions[i], admissions[i].base > 0, united_[i]);
      parts[i].clear();
    }
  };
  std::vector<std::jthread> helpers;
  for (size_t i = 1; i < std::min(threads, layout_.count); ++i) helpers.emplace_back(work);
  work();
  helpers.clear();
  for (const Status& status : statuses) PRERANK_RETURN_IF_ERROR(status);
  return {};
}

std::vector<LearntTable> UnitedDictionaries::take_tables() {
  std::vector<LearntTable> tables(tables_.size());
  for (size_t i = 0; i < tables_.size(); ++i) {
    tables[i].values = std::move(tables_[i].values);
    if (!layout_.of_table[i].has_value()) continue;
    United& united = united_[*layout_.of_table[i]];
    tables[i].added = united.added.size();
    tables[i].refused = united.refused;
    std::move(united.added.begin(), united.added.end(), std::back_inserter(tables[i].values));
    united.added.clear();
  }
  return tables;
}

FeatureSummary UnitedDictionaries::summarise_dense(const DenseColumn& column, const NumberStatistics& statistics,
                                                   const LogStatistics& all) const {
  FeatureSummary summary;
  summary.output = column.output;
  summary.rows = all.rows;
  summary.nulls = statistics.nulls;
  summary.top_share = kUndefined;
  summary.constant_in_request = column.of_request && all.requests > 0 && statistics.constant;
  const CentralMoments& moments = statistics.moments;
  if (moments.count == 0) {
    summary.minimum = summary.maximum = summary.mean = summary.deviation = summary.skewness = kUndefined;
    return summary;
  }
  const auto count = static_cast<double>(moments.count);
  summary.minimum = moments.minimum;
  summary.maximum = moments.maximum;
  summary.mean = moments.mean;
  const double variance = moments.second / count;
  summary.deviation = std::sqrt(variance);
  summary.skewness = variance > 0 ? moments.third / count / (variance * summary.deviation) : 0;
  return summary;
}

FeatureSummary UnitedDictionaries::summarise_ids(size_t index, const IdStatistics& statistics,
                                                 const LogStatistics& all) const {
  const IdColumn& column = ids_[index];
  FeatureSummary summary;
  summary.output = column.output;
  summary.rows = all.rows;
  summary.nulls = statistics.nulls;
  summary.minimum = summary.maximum = summary.mean = summary.deviation = summary.skewness = kUndefined;
  summary.ids = statistics.ids;
  summary.empty = statistics.empty;
  summary.longest = statistics.longest;
  summary.out_of_vocabulary = statistics.out_of_vocabulary;
  summary.constant_in_request = column.of_request && all.requests > 0 && statistics.constant;
  summary.top_share = kUndefined;
  if (layout_.exclusive(column.table)) {
    const United& united = united_[*layout_.of_table[column.table]];
    summary.distinct = united.distinct;
    if (united.total > 0) {
      summary.top_share = static_cast<double>(united.most_frequent) / static_cast<double>(united.total);
    }
  } else {
    summary.distinct = static_cast<uint64_t>(std::llround(sketches_[index]->estimate()));
  }
  return summary;
}

std::vector<FeatureSummary> UnitedDictionaries::summarise(const FeatureStatistics& all) const {
  const auto& statistics = static_cast<const LogStatistics&>(all);
  std::vector<FeatureSummary> summaries;
  for (size_t i = 0; i < dense_.size(); ++i) {
    summaries.push_back(summarise_dense(dense_[i], statistics.dense[i], statistics));
  }
  for (size_t i = 0; i < ids_.size(); ++i) {
    summaries.push_back(summarise_ids(i, statistics.ids[i], statistics));
  }
  return summaries;
}

}  // namespace

Result<std::unique_ptr<DictionaryMerge>> DictionaryMerge::create(
    const IngestSpec& spec, std::span<const std::unique_ptr<BatchEncoder>> encoders) {
  auto merge = std::make_unique<UnitedDictionaries>(spec);
  PRERANK_RETURN_IF_ERROR(merge->unite_all(encoders, spec.threads));
  return std::unique_ptr<DictionaryMerge>(std::move(merge));
}

}  // namespace prerank::ingest
