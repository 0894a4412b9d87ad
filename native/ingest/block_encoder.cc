#include "ingest/block_encoder.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "ingest/dictionary_layout.h"
#include "ingest/number_values.h"
#include "ingest/statistics.h"
#include "ingest/verdict_text.h"

namespace prerank::ingest {
namespace {

// One more than the largest index of an input.
size_t count_inputs(const IngestSpec& spec) {
  size_t last = std::max({spec.row_input, spec.origin_input.value_or(0), spec.request_input.value_or(0),
                          spec.ad_input.value_or(0)});
  for (const auto& column : spec.numbers) last = std::max(last, column.input);
  for (const auto& column : spec.dense) last = std::max(last, column.input);
  for (const auto& column : spec.ids) last = std::max({last, column.input, column.weights_input.value_or(0)});
  for (const auto& column : spec.codes) last = std::max(last, column.input);
  return last + 1;
}

}  // namespace

BlockEncoder::BlockEncoder(const IngestSpec& spec)
    : inputs_(count_inputs(spec)),
      row_input_(spec.row_input),
      origin_input_(spec.origin_input),
      has_requests_(spec.request_input.has_value()),
      duplicates_(spec),
      sampler_(spec) {}

Result<std::unique_ptr<BatchEncoder>> BlockEncoder::create(const IngestSpec& spec) {
  PRERANK_ASSIGN_OR_RETURN(std::vector<PlannedOutput> outputs, plan_outputs(spec));
  std::unique_ptr<BlockEncoder> encoder(new BlockEncoder(spec));
  encoder->outputs_ = std::move(outputs);
  PRERANK_RETURN_IF_ERROR(encoder->add_tables(spec));
  encoder->add_columns(spec);
  return std::unique_ptr<BatchEncoder>(std::move(encoder));
}

Status BlockEncoder::add_tables(const IngestSpec& spec) {
  const DictionaryLayout layout = DictionaryLayout::of(spec);
  dictionaries_.resize(layout.count);
  dictionary_names_.resize(layout.count);
  mappers_.reserve(spec.tables.size());
  for (size_t i = 0; i < spec.tables.size(); ++i) {
    const IdTable& table = spec.tables[i];
    table_names_.push_back("table " + table.name);
    Dictionary* learnt = nullptr;
    if (layout.of_table[i].has_value()) {
      dictionary_names_[*layout.of_table[i]] = table_names_.back();
      auto& dictionary = dictionaries_[*layout.of_table[i]];
      dictionary = Dictionary::create(table.type, 1);
      learnt = dictionary.get();
      if (const Status added = learnt->add(table.values); !added.ok()) {
        return {added.code(), "table \"" + table.name + "\": " + added.message()};
      }
    }
    PRERANK_ASSIGN_OR_RETURN(IdMapper mapper, IdMapper::create(table, learnt));
    mappers_.push_back(std::move(mapper));
  }
  return {};
}

void BlockEncoder::add_columns(const IngestSpec& spec) {
  const DictionaryLayout layout = DictionaryLayout::of(spec);
  for (size_t i = 0; i < spec.codes.size(); ++i) {
    std::unique_ptr<Dictionary>* dictionary = nullptr;
    if (layout.of_code[i].has_value()) {
      dictionary = &dictionaries_[*layout.of_code[i]];
      dictionary_names_[*layout.of_code[i]] = "role " + spec.codes[i].label;
    }
    codes_.emplace_back(spec.codes[i], dictionary);
  }
  for (const NumberColumn& column : spec.numbers) numbers_.emplace_back(column, is_written(spec, column));
  for (const DenseColumn& column : spec.dense) dense_.emplace_back(column);
  for (const IdColumn& column : spec.ids) {
    const bool sketched = !layout.exclusive(column.table);
    if (column.multi) ids_.emplace_back(std::in_place_type<IdListEncoder>, column, mappers_[column.table], sketched);
    else ids_.emplace_back(std::in_place_type<IdEncoder>, column, mappers_[column.table], sketched);
  }
  roles_ = RoleColumns::of(numbers_);
}

Status BlockEncoder::check_block(const RowBlock& block) const {
  if (block.rows > std::numeric_limits<uint32_t>::max() - rows_) {
    return {Code::kOutOfRange, "a record batch holds more than 2^32 rows"};
  }
  for (const RowSlice& slice : block.slices) {
    if (slice.chunk->columns() < inputs_) return {Code::kInvalidArgument, "the query gives too few columns"};
  }
  const bool starts = !block.request_starts.empty() && block.request_starts.front() == 0;
  if (has_requests_ ? !starts : !block.request_starts.empty()) {
    return {Code::kInvalidArgument, "the requests of a block do not fit the spec"};
  }
  return {};
}

Status BlockEncoder::encode(const RowBlock& block, std::vector<RejectedRow>& rejects) {
  if (block.rows == 0) return {};
  PRERANK_RETURN_IF_ERROR(check_block(block));
  PRERANK_RETURN_IF_ERROR(judge(block));
  kept_.assign(block, verdict_);
  report(block, rejects);
  return append();
}

Status BlockEncoder::judge(const RowBlock& block) {
  verdict_.reset(block.rows);
  sampler_.split(block, verdict_);
  for (CodeEncoder& encoder : codes_) PRERANK_RETURN_IF_ERROR(encoder.judge(block, verdict_));
  for (NumberEncoder& encoder : numbers_) PRERANK_RETURN_IF_ERROR(encoder.judge(block, verdict_));
  for (DenseEncoder& encoder : dense_) PRERANK_RETURN_IF_ERROR(encoder.judge(block, verdict_));
  for (auto& encoder : ids_) {
    PRERANK_RETURN_IF_ERROR(std::visit([&](auto& column) { return column.judge(block, verdict_); }, encoder));
  }
  check_roles(roles_, verdict_);
  found_duplicates_ = 0;
  if (duplicates_.active()) {
    PRERANK_ASSIGN_OR_RETURN(found_duplicates_, duplicates_.judge(block, verdict_));
  }
  return sampler_.draw(block, roles_, verdict_);
}

// In the order of the rows.
void BlockEncoder::report(const RowBlock& block, std::vector<RejectedRow>& rejects) const {
  std::vector<const Rejection*> ordered;
  for (const Rejection& rejection : verdict_.rejections()) ordered.push_back(&rejection);
  std::sort(ordered.begin(), ordered.end(), [](const Rejection* a, const Rejection* b) { return a->row < b->row; });
  for (const Rejection* rejection : ordered) {
    const BlockRow place = locate(block, rejection->row);
    RejectedRow rejected;
    rejected.file = file_of(place, origin_input_);
    rejected.row = row_number(place.chunk->column(row_input_), place.row);
    rejected.column = rejection->column;
    rejected.value = rejection->value;
    rejected.reason = rejection->reason;
    rejects.push_back(std::move(rejected));
  }
}

Status BlockEncoder::append() {
  for (CodeEncoder& encoder : codes_) PRERANK_RETURN_IF_ERROR(encoder.append(kept_, requests_));
  for (NumberEncoder& encoder : numbers_) encoder.append(kept_);
  for (DenseEncoder& encoder : dense_) encoder.append(kept_);
  for (auto& encoder : ids_) {
    PRERANK_RETURN_IF_ERROR(std::visit([&](auto& column) { return column.append(kept_); }, encoder));
  }
  sampler_.append(kept_);
  rows_ += kept_.count();
  requests_ += kept_.requests();
  statistics_rows_ += kept_.count();
  statistics_requests_ += kept_.requests();
  counts_.rows += kept_.count();
  counts_.requests += kept_.requests();
  counts_.rejected += verdict_.rejections().size();
  counts_.dropped += verdict_.dropped();
  counts_.sampled_out += verdict_.sampled_out();
  counts_.duplicates += found_duplicates_;
  return {};
}

ColumnData BlockEncoder::column(const OutputSource& source) const {
  switch (source.kind) {
    case OutputSource::Kind::kNumber:
      return numbers_[source.index].data();
    case OutputSource::Kind::kDense:
      return dense_[source.index].data();
    case OutputSource::Kind::kId:
      return std::visit([](const auto& encoder) { return encoder.data(); }, ids_[source.index]);
    case OutputSource::Kind::kIdWeights:
      return std::get<IdListEncoder>(ids_[source.index]).weights();
    case OutputSource::Kind::kCode:
      return codes_[source.index].data();
    case OutputSource::Kind::kSampleWeight:
      return sampler_.weights();
  }
  return {};
}

std::vector<ColumnData> BlockEncoder::columns() const {
  std::vector<ColumnData> columns;
  columns.reserve(outputs_.size());
  for (const PlannedOutput& output : outputs_) columns.push_back(column(output.source));
  return columns;
}

size_t BlockEncoder::bytes() const {
  size_t bytes = sampler_.bytes();
  for (const CodeEncoder& encoder : codes_) bytes += encoder.bytes();
  for (const NumberEncoder& encoder : numbers_) bytes += encoder.bytes();
  for (const DenseEncoder& encoder : dense_) bytes += encoder.bytes();
  for (const auto& encoder : ids_) bytes += std::visit([](const auto& column) { return column.bytes(); }, encoder);
  return bytes;
}

void BlockEncoder::clear() {
  for (CodeEncoder& encoder : codes_) encoder.clear();
  for (NumberEncoder& encoder : numbers_) encoder.clear();
  for (DenseEncoder& encoder : dense_) encoder.clear();
  for (auto& encoder : ids_) std::visit([](auto& column) { column.clear(); }, encoder);
  sampler_.clear();
  rows_ = 0;
  requests_ = 0;
}

PartCounts BlockEncoder::take_counts() { return std::exchange(counts_, {}); }

std::unique_ptr<FeatureStatistics> BlockEncoder::take_statistics() {
  auto statistics = std::make_unique<LogStatistics>();
  statistics->rows = std::exchange(statistics_rows_, 0);
  statistics->requests = std::exchange(statistics_requests_, 0);
  for (DenseEncoder& encoder : dense_) statistics->dense.push_back(encoder.take_statistics());
  for (auto& encoder : ids_) {
    statistics->ids.push_back(std::visit([](auto& column) { return column.take_statistics(); }, encoder));
  }
  return statistics;
}

std::vector<std::unique_ptr<HyperLogLog>> BlockEncoder::take_sketches() {
  std::vector<std::unique_ptr<HyperLogLog>> sketches;
  for (auto& encoder : ids_) {
    sketches.push_back(std::visit([](auto& column) { return column.take_sketch(); }, encoder));
  }
  return sketches;
}

size_t BlockEncoder::dictionary_bytes() const {
  size_t bytes = 0;
  for (const auto& dictionary : dictionaries_) bytes += dictionary == nullptr ? 0 : dictionary->bytes();
  for (const IdMapper& mapper : mappers_) bytes += mapper.bytes();
  return bytes;
}

std::string BlockEncoder::largest_dictionary() const {
  std::string name;
  size_t most = 0;
  const auto compare = [&](size_t bytes, const std::string& candidate) {
    if (bytes <= most) return;
    most = bytes;
    name = candidate;
  };
  for (size_t i = 0; i < dictionaries_.size(); ++i) {
    if (dictionaries_[i] != nullptr) compare(dictionaries_[i]->bytes(), dictionary_names_[i]);
  }
  for (size_t i = 0; i < mappers_.size(); ++i) compare(mappers_[i].bytes(), table_names_[i]);
  return name;
}

}  // namespace prerank::ingest
