#include "arrow/schema.h"

#include <array>

namespace prerank::arrow {
namespace {

using Table = FlatBufferView::Table;

constexpr size_t kMaxDepth = 32;

Status invalid(const std::string& what) { return {Code::kInvalidArgument, "the schema is damaged: " + what}; }

class SchemaReader {
 public:
  explicit SchemaReader(FlatBufferView& view) : view_(view) {}

  Status fields(Table table, size_t slot, size_t depth, std::vector<Field>& out) {
    if (depth > kMaxDepth) return invalid("fields are nested too deeply");
    const auto list = view_.vector(table, slot, sizeof(uint32_t));
    for (size_t i = 0; i < list.count; ++i) {
      // Each field takes bytes of its own, unless a damaged schema refers to one of them again and again.
      if (++fields_ > view_.size() / 8) return invalid("more fields than bytes");
      PRERANK_RETURN_IF_ERROR(field(view_.table_element(list, i), depth, out.emplace_back()));
    }
    return view_.broken() ? invalid("a reference leads outside") : Status();
  }

 private:
  Status field(Table table, size_t depth, Field& out) {
    out.name = view_.string(table, slot::kFieldName);
    PRERANK_RETURN_IF_ERROR(type(table, out.type));
    PRERANK_RETURN_IF_ERROR(fields(table, slot::kFieldChildren, depth + 1, out.type.children));
    PRERANK_RETURN_IF_ERROR(children(out));
    if (const Table encoding = view_.table(table, slot::kFieldDictionary)) {
      DictionaryIndex index = {view_.scalar<int64_t>(encoding, slot::kEncodingId, 0)};
      if (const Table integer = view_.table(encoding, slot::kEncodingIndexType)) {
        index.bit_width = view_.scalar<int32_t>(integer, slot::kIntBitWidth, 0);
        index.is_signed = view_.scalar<uint8_t>(integer, slot::kIntSigned, 0) != 0;
      }
      if (!is_integer_width(index.bit_width)) return invalid("dictionary indices of an unknown width");
      out.dictionary = index;
    }
    return {};
  }

  static bool is_integer_width(int32_t bits) { return bits == 8 || bits == 16 || bits == 32 || bits == 64; }

  Status type(Table table, Type& out) {
    out.code = static_cast<TypeCode>(view_.scalar<uint8_t>(table, slot::kFieldTypeCode, 0));
    const Table details = view_.table(table, slot::kFieldType);
    if (!details) return invalid("a field has no type");
    switch (out.code) {
      case TypeCode::kInt:
        out.bit_width = view_.scalar<int32_t>(details, slot::kIntBitWidth, 0);
        out.is_signed = view_.scalar<uint8_t>(details, slot::kIntSigned, 0) != 0;
        return is_integer_width(out.bit_width) ? Status() : invalid("an integer of an unknown width");
      case TypeCode::kFloatingPoint: {
        const auto precision = view_.scalar<int16_t>(details, slot::kFloatPrecision, 0);
        if (precision < kHalf || precision > kDouble) return invalid("a floating point type of unknown precision");
        out.bit_width = 16 << precision;
        return {};
      }
      case TypeCode::kDecimal:
        out.precision = view_.scalar<int32_t>(details, slot::kDecimalPrecision, 0);
        out.scale = view_.scalar<int32_t>(details, slot::kDecimalScale, 0);
        out.bit_width = view_.scalar<int32_t>(details, slot::kDecimalBitWidth, 128);
        return {};
      case TypeCode::kDate:
        out.unit = view_.scalar<int16_t>(details, slot::kUnit, 1);
        return out.unit == 0 || out.unit == 1 ? Status() : invalid("a date of an unknown unit");
      case TypeCode::kTime:
        out.unit = view_.scalar<int16_t>(details, slot::kUnit, 1);
        out.bit_width = view_.scalar<int32_t>(details, slot::kTimeBitWidth, 32);
        return out.unit >= 0 && out.unit <= 3 && out.bit_width == (out.unit < 2 ? 32 : 64)
                   ? Status()
                   : invalid("a time of an unknown unit");
      case TypeCode::kTimestamp:
        out.unit = view_.scalar<int16_t>(details, slot::kUnit, 0);
        out.zoned = !view_.string(details, slot::kTimestampZone).empty();
        return out.unit >= 0 && out.unit <= 3 ? Status() : invalid("a timestamp of an unknown unit");
      case TypeCode::kFixedSizeList:
        out.list_size = view_.scalar<int32_t>(details, slot::kListSize, 0);
        return out.list_size >= 0 ? Status() : invalid("lists of a negative size");
      case TypeCode::kUnion:
        out.dense = view_.scalar<int16_t>(details, slot::kUnionMode, 0) != 0;
        return {};
      case TypeCode::kNone: return invalid("a field has no type");
      default: break;
    }
    return out.code <= TypeCode::kLargeListView ? Status() : invalid("a field of an unknown type");
  }

  static Status children(const Field& field) {
    const size_t count = field.type.children.size();
    switch (field.type.code) {
      case TypeCode::kList:
      case TypeCode::kLargeList:
      case TypeCode::kFixedSizeList:
      case TypeCode::kListView:
      case TypeCode::kLargeListView:
      case TypeCode::kMap: return count == 1 ? Status() : invalid("a list has not one kind of values");
      case TypeCode::kRunEndEncoded: return count == 2 ? Status() : invalid("runs without ends or values");
      case TypeCode::kStruct:
      case TypeCode::kUnion: return {};
      default: return count == 0 ? Status() : invalid("a plain field has children");
    }
  }

  FlatBufferView& view_;
  size_t fields_ = 0;
};

std::string scalar_name(const Type& type) {
  static constexpr std::array<const char*, 4> kUnits = {"s", "ms", "us", "ns"};
  switch (type.code) {
    case TypeCode::kNull: return "null";
    case TypeCode::kInt: return (type.is_signed ? "int" : "uint") + std::to_string(type.bit_width);
    case TypeCode::kFloatingPoint: return "float" + std::to_string(type.bit_width);
    case TypeCode::kBinary: return "binary";
    case TypeCode::kUtf8: return "utf8";
    case TypeCode::kBool: return "bool";
    case TypeCode::kDecimal:
      return "decimal" + std::to_string(type.bit_width) + "(" + std::to_string(type.precision) + "," +
             std::to_string(type.scale) + ")";
    case TypeCode::kDate: return type.unit == 0 ? "date32" : "date64";
    case TypeCode::kTime: return std::string("time[") + kUnits[static_cast<size_t>(type.unit)] + "]";
    case TypeCode::kTimestamp:
      return std::string("timestamp[") + kUnits[static_cast<size_t>(type.unit)] + (type.zoned ? ", zone]" : "]");
    case TypeCode::kInterval: return "interval";
    case TypeCode::kStruct: return "struct";
    case TypeCode::kUnion: return "union";
    case TypeCode::kFixedSizeBinary: return "fixed_size_binary";
    case TypeCode::kMap: return "map";
    case TypeCode::kDuration: return "duration";
    case TypeCode::kLargeBinary: return "large_binary";
    case TypeCode::kLargeUtf8: return "large_utf8";
    case TypeCode::kRunEndEncoded: return "run_end_encoded";
    case TypeCode::kBinaryView: return "binary_view";
    case TypeCode::kUtf8View: return "utf8_view";
    case TypeCode::kList: return "list";
    case TypeCode::kLargeList: return "large_list";
    case TypeCode::kFixedSizeList: return "fixed_size_list";
    case TypeCode::kListView: return "list_view";
    case TypeCode::kLargeListView: return "large_list_view";
    case TypeCode::kNone: break;
  }
  return "none";
}

}  // namespace

Result<Schema> read_schema(FlatBufferView& view, FlatBufferView::Table table) {
  if (view.scalar<int16_t>(table, slot::kSchemaEndianness, 0) != 0) {
    return Status(Code::kInvalidArgument, "its numbers are big-endian, which is not read; write it little-endian");
  }
  Schema schema;
  PRERANK_RETURN_IF_ERROR(SchemaReader(view).fields(table, slot::kSchemaFields, 0, schema.fields));
  return schema;
}

std::string type_name(const Field& field) {
  std::string name = scalar_name(field.type);
  const bool is_list = field.type.children.size() == 1 && field.type.code != TypeCode::kStruct &&
                       field.type.code != TypeCode::kUnion && field.type.code != TypeCode::kMap;
  if (is_list) name.append("<").append(type_name(field.type.children.front())).append(">");
  return field.dictionary ? std::string("dictionary<").append(name).append(">") : name;
}

}  // namespace prerank::arrow
