#include "arrow/array.h"

namespace prerank::arrow {
namespace {

bool is_text(TypeCode code) {
  return code == TypeCode::kUtf8 || code == TypeCode::kLargeUtf8 || code == TypeCode::kUtf8View;
}

Use use_of_type(const Type& type) {
  switch (type.code) {
    case TypeCode::kNull:
    case TypeCode::kInt:
    case TypeCode::kFloatingPoint:
    case TypeCode::kBool:
    case TypeCode::kUtf8:
    case TypeCode::kLargeUtf8:
    case TypeCode::kUtf8View:
    case TypeCode::kDate:
    case TypeCode::kTime:
    case TypeCode::kTimestamp: return Use::kKept;
    case TypeCode::kDecimal: {
      const bool width = type.bit_width == 32 || type.bit_width == 64 || type.bit_width == 128;
      const bool digits = type.precision >= 1 && type.precision <= kMaxDecimalDigits && type.scale >= 0 &&
                          type.scale <= type.precision;
      return width && digits ? Use::kKept : Use::kRefused;
    }
    case TypeCode::kList:
    case TypeCode::kLargeList:
    case TypeCode::kFixedSizeList: return use_of(type.children.front());
    case TypeCode::kListView:
    case TypeCode::kLargeListView:
      return use_of(type.children.front()) == Use::kLeftOut ? Use::kLeftOut : Use::kRefused;
    case TypeCode::kRunEndEncoded:
      return use_of(type.children.back()) == Use::kLeftOut ? Use::kLeftOut : Use::kRefused;
    default: return Use::kLeftOut;
  }
}

}  // namespace

Use use_of(const Field& field) {
  const Use use = use_of_type(field.type);
  if (!field.dictionary || use != Use::kKept) return use;
  const bool is_value = field.type.children.empty() && field.type.code != TypeCode::kNull;
  return is_value ? Use::kKept : Use::kRefused;
}

Field decoded_field(const Field& field) {
  Field decoded = field;
  Type& type = decoded.type;
  for (Field& child : type.children) child = decoded_field(child);
  if (type.code == TypeCode::kFloatingPoint && type.bit_width == 16) type.bit_width = 32;
  if (type.code == TypeCode::kDecimal) type.bit_width = 128;
  if (type.code == TypeCode::kFixedSizeList) type.code = TypeCode::kLargeList;
  if (field.dictionary && is_text(type.code)) type.code = TypeCode::kUtf8View;
  decoded.dictionary.reset();
  return decoded;
}

uint64_t value_bits(const Type& type) {
  switch (type.code) {
    case TypeCode::kBool: return 1;
    case TypeCode::kDate: return type.unit == 0 ? 32 : 64;
    case TypeCode::kTimestamp: return 64;
    case TypeCode::kInt:
    case TypeCode::kFloatingPoint:
    case TypeCode::kDecimal:
    case TypeCode::kTime: return static_cast<uint64_t>(type.bit_width);
    default: return 0;
  }
}

}  // namespace prerank::arrow
