#include "arrow/batch_reader.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "arrow/dictionary_union.h"
#include "arrow/string_views.h"
#include "arrow/utf8.h"

namespace prerank::arrow {
namespace {

// Rows without any column take no bytes that could vouch for their number.
constexpr uint64_t kMaxEmptyRows = uint64_t{1} << 24;

Status placed(const std::string& where, const Status& status) {
  return status.ok() ? status : Status(status.code(), where + ": " + status.message());
}

std::string column_place(const std::string& path, const Field& field) { return path + ": column \"" + field.name + "\""; }

void collect_ids(const Field& field, std::set<int64_t>& ids) {
  if (field.dictionary) ids.insert(field.dictionary->id);
  for (const Field& child : field.type.children) collect_ids(child, ids);
}

}  // namespace

Result<std::vector<Field>> readable_columns(const IpcFile& file) {
  std::vector<Field> columns;
  std::set<std::string> names;
  for (const Field& field : file.schema().fields) {
    if (field.name.find('\0') != std::string::npos || !is_utf8(std::as_bytes(std::span(field.name)))) {
      return Status(Code::kInvalidArgument, file.path() + ": the name of a column is no text");
    }
    const std::string place = column_place(file.path(), field);
    switch (use_of(field)) {
      case Use::kLeftOut: continue;
      case Use::kRefused:
        return Status(Code::kInvalidArgument,
                      place + " is " + type_name(field) + ", which is not read; write it plain or leave it out");
      case Use::kKept: break;
    }
    if (!names.insert(field.name).second) return Status(Code::kInvalidArgument, place + " is there twice");
    columns.push_back(field);
  }
  return columns;
}

Result<BatchReader> BatchReader::create(std::shared_ptr<const IpcFile> file, size_t memory_limit) {
  BatchReader reader(std::move(file), memory_limit);
  PRERANK_ASSIGN_OR_RETURN(const std::vector<Field> columns, readable_columns(*reader.file_));
  for (const Field& field : columns) PRERANK_RETURN_IF_ERROR(reader.number_dictionaries(field));
  for (const Field& field : reader.file_->schema().fields) collect_ids(field, reader.dictionary_ids_);
  return reader;
}

Status BatchReader::number_dictionaries(const Field& field) {
  if (field.dictionary) {
    Field values = {.name = {}, .type = field.type, .dictionary = {}};
    const auto [known, is_new] = dictionary_fields_.emplace(field.dictionary->id, values);
    if (!is_new && known->second != values) {
      return {Code::kInvalidArgument, file_->path() + ": dictionary " + std::to_string(field.dictionary->id) +
                                          " is used for values of two types"};
    }
  }
  for (const Field& child : field.type.children) PRERANK_RETURN_IF_ERROR(number_dictionaries(child));
  return {};
}

Result<std::shared_ptr<const RecordBatch>> BatchReader::next() {
  const auto& messages = file_->messages();
  while (next_message_ < messages.size()) {
    const Message& message = messages[next_message_++];
    if (message.type == HeaderType::kDictionaryBatch) {
      PRERANK_RETURN_IF_ERROR(read_dictionary(message));
      continue;
    }
    auto batch = std::make_shared<RecordBatch>();
    const std::string where = file_->path() + ": record batch " + std::to_string(batches_++);
    const Status status = placed(where, read_batch(message, *batch));
    PRERANK_RETURN_IF_ERROR(file_->check_unchanged());  // explains damage that is none
    PRERANK_RETURN_IF_ERROR(status);
    return std::shared_ptr<const RecordBatch>(std::move(batch));
  }
  return std::shared_ptr<const RecordBatch>();
}

Status BatchReader::read_batch(const Message& message, RecordBatch& batch) {
  FlatBufferView view(message.metadata);
  const auto memory = std::make_shared<BatchMemory>(memory_limit_);
  PRERANK_ASSIGN_OR_RETURN(
      BodyReader body, BodyReader::create(view, view.table(view.root(), slot::kMessageHeader), message.body, *memory));
  ColumnDecoder decoder(body, *memory, dictionaries_, message.version == kMetadataV4);
  for (const Field& field : file_->schema().fields) {
    const std::string where = "column \"" + field.name + "\"";
    if (use_of(field) != Use::kKept) {
      PRERANK_RETURN_IF_ERROR(placed(where, decoder.skip(field)));
      continue;
    }
    auto column = decoder.decode(field, body.rows());
    PRERANK_RETURN_IF_ERROR(placed(where, column.status()));
    batch.columns.push_back(std::move(column).value());
  }
  PRERANK_RETURN_IF_ERROR(body.finish());
  if (batch.columns.empty() && body.rows() > kMaxEmptyRows) {
    return {Code::kInvalidArgument, std::to_string(body.rows()) + " rows without a column that is read"};
  }
  batch.rows = body.rows();
  batch.file = file_;
  batch.memory = memory;
  batch.dictionaries = dictionaries_;
  return {};
}

Status BatchReader::read_dictionary(const Message& message) {
  FlatBufferView view(message.metadata);
  const auto header = view.table(view.root(), slot::kMessageHeader);
  const auto id = view.scalar<int64_t>(header, slot::kDictionaryId, 0);
  const bool is_delta = view.scalar<uint8_t>(header, slot::kDictionaryIsDelta, 0) != 0;
  const std::string where =
      file_->path() + ": dictionary " + std::to_string(id) + " at byte " + std::to_string(message.offset);
  if (view.broken()) return {Code::kInvalidArgument, where + ": its metadata is damaged"};
  if (!dictionary_ids_.contains(id)) return {Code::kInvalidArgument, where + ": no column of the schema uses it"};
  const auto field = dictionary_fields_.find(id);
  if (field == dictionary_fields_.end()) return {};  // of a column that is left out
  const auto known = dictionaries_.find(id);
  const bool is_known = known != dictionaries_.end();
  if (is_delta && !is_known) return {Code::kInvalidArgument, where + ": it adds to a dictionary that is missing"};
  if (!is_delta && is_known && !file_->replaces_dictionaries()) {
    return {Code::kInvalidArgument, where + ": it replaces another one, which only streams may do"};
  }
  auto dictionary =
      decode_dictionary(message, field->second, view, header, is_delta ? known->second.get() : nullptr);
  PRERANK_RETURN_IF_ERROR(file_->check_unchanged());
  PRERANK_RETURN_IF_ERROR(placed(where, dictionary.status()));
  dictionaries_[id] = std::move(dictionary).value();
  return {};
}

Result<std::shared_ptr<const Dictionary>> BatchReader::decode_dictionary(const Message& message, const Field& field,
                                                                         FlatBufferView& view,
                                                                         FlatBufferView::Table header,
                                                                         const Dictionary* base) {
  size_t used = 0;
  for (const auto& [id, other] : dictionaries_) {
    for (const auto& part : other->parts) used += part->used();
    if (other->united != nullptr) used += other->united->used();
  }
  const size_t limit = memory_limit_ - std::min(used, memory_limit_);
  const auto memory = std::make_shared<BatchMemory>(limit);
  PRERANK_ASSIGN_OR_RETURN(
      BodyReader body, BodyReader::create(view, view.table(header, slot::kDictionaryData), message.body, *memory));
  ColumnDecoder decoder(body, *memory, dictionaries_, message.version == kMetadataV4);
  PRERANK_ASSIGN_OR_RETURN(Array values, decoder.decode(field, body.rows()));
  PRERANK_RETURN_IF_ERROR(body.finish());
  if (field.type.code == TypeCode::kUtf8) PRERANK_RETURN_IF_ERROR(to_views<int32_t>(*memory, values));
  if (field.type.code == TypeCode::kLargeUtf8) PRERANK_RETURN_IF_ERROR(to_views<int64_t>(*memory, values));
  auto dictionary = std::make_shared<Dictionary>();
  if (base != nullptr) {
    const auto united = std::make_shared<BatchMemory>(limit - memory->used());
    const Field decoded = decoded_field({.name = {}, .type = field.type, .dictionary = DictionaryIndex()});
    PRERANK_ASSIGN_OR_RETURN(values, unite(decoded.type, base->values, values, *united));
    dictionary->parts = base->parts;
    dictionary->united = united;
  }
  dictionary->parts.push_back(memory);
  dictionary->values = std::move(values);
  return std::shared_ptr<const Dictionary>(std::move(dictionary));
}

}  // namespace prerank::arrow
