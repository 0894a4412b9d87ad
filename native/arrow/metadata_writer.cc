#include "arrow/metadata_writer.h"

#include "arrow/flatbuffer_builder.h"

namespace prerank::arrow {
namespace {

using Ref = FlatBufferBuilder::Ref;

struct TypeRef {
  TypeCode code;
  Ref table;
};

TypeRef scalar_type(FlatBufferBuilder& builder, ColumnType type) {
  const bool is_float = type == ColumnType::kFloat32 || type == ColumnType::kListFloat32;
  builder.begin_table();
  if (is_float) {
    builder.scalar(slot::kFloatPrecision, kSingle);
    return {TypeCode::kFloatingPoint, builder.end_table()};
  }
  builder.scalar(slot::kIntBitWidth, int32_t{type == ColumnType::kUint8 ? 8 : 32});
  builder.scalar(slot::kIntSigned, uint8_t{0});
  return {TypeCode::kInt, builder.end_table()};
}

Ref field(FlatBufferBuilder& builder, const std::string& name, TypeRef type, std::span<const Ref> children) {
  const Ref name_ref = builder.string(name);
  const Ref children_ref = builder.refs(children);
  builder.begin_table();
  builder.ref(slot::kFieldName, name_ref);
  builder.scalar(slot::kFieldNullable, uint8_t{0});
  builder.scalar(slot::kFieldTypeCode, static_cast<uint8_t>(type.code));
  builder.ref(slot::kFieldType, type.table);
  builder.ref(slot::kFieldChildren, children_ref);
  return builder.end_table();
}

Ref column_field(FlatBufferBuilder& builder, const FileColumn& column) {
  const TypeRef scalar = scalar_type(builder, column.type);
  if (!holds_lists(column.type)) return field(builder, column.name, scalar, {});
  const Ref item = field(builder, "item", scalar, {});
  builder.begin_table();
  const TypeRef list = {TypeCode::kList, builder.end_table()};
  return field(builder, column.name, list, {&item, 1});
}

Ref schema(FlatBufferBuilder& builder, std::span<const FileColumn> columns, const KeyValues& metadata) {
  std::vector<Ref> fields, pairs;
  for (const FileColumn& column : columns) fields.push_back(column_field(builder, column));
  for (const auto& [key, value] : metadata) {
    const Ref key_ref = builder.string(key);
    const Ref value_ref = builder.string(value);
    builder.begin_table();
    builder.ref(slot::kKeyValueKey, key_ref);
    builder.ref(slot::kKeyValueValue, value_ref);
    pairs.push_back(builder.end_table());
  }
  const Ref fields_ref = builder.refs(fields);
  const Ref pairs_ref = builder.refs(pairs);
  builder.begin_table();
  builder.scalar(slot::kSchemaEndianness, int16_t{0});
  builder.ref(slot::kSchemaFields, fields_ref);
  if (!pairs.empty()) builder.ref(slot::kSchemaMetadata, pairs_ref);
  return builder.end_table();
}

std::vector<std::byte> message(FlatBufferBuilder& builder, HeaderType type, Ref header, int64_t body_length) {
  builder.begin_table();
  builder.scalar(slot::kMessageBodyLength, body_length);
  builder.ref(slot::kMessageHeader, header);
  builder.scalar(slot::kMessageVersion, kMetadataV5);
  builder.scalar(slot::kMessageHeaderType, static_cast<uint8_t>(type));
  return builder.finish(builder.end_table());
}

}  // namespace

std::vector<std::byte> schema_message(std::span<const FileColumn> columns, const KeyValues& metadata) {
  FlatBufferBuilder builder;
  const Ref header = schema(builder, columns, metadata);
  return message(builder, HeaderType::kSchema, header, 0);
}

std::vector<std::byte> record_batch_message(int64_t rows, std::span<const FieldNode> nodes,
                                            std::span<const BufferRange> buffers, int64_t body_length) {
  FlatBufferBuilder builder;
  const Ref nodes_ref = builder.structs(nodes);
  const Ref buffers_ref = builder.structs(buffers);
  builder.begin_table();
  builder.scalar(slot::kBatchLength, rows);
  builder.ref(slot::kBatchNodes, nodes_ref);
  builder.ref(slot::kBatchBuffers, buffers_ref);
  const Ref header = builder.end_table();
  return message(builder, HeaderType::kRecordBatch, header, body_length);
}

std::vector<std::byte> footer(std::span<const FileColumn> columns, const KeyValues& metadata,
                              std::span<const Block> record_batches) {
  FlatBufferBuilder builder;
  const Ref schema_ref = schema(builder, columns, metadata);
  const Ref dictionaries_ref = builder.structs(std::span<const Block>());
  const Ref batches_ref = builder.structs(record_batches);
  builder.begin_table();
  builder.ref(slot::kFooterSchema, schema_ref);
  builder.ref(slot::kFooterDictionaries, dictionaries_ref);
  builder.ref(slot::kFooterRecordBatches, batches_ref);
  builder.scalar(slot::kFooterVersion, kMetadataV5);
  return builder.finish(builder.end_table());
}

}  // namespace prerank::arrow
