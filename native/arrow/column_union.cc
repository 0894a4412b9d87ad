#include "arrow/column_union.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "arrow/array.h"

namespace prerank::arrow {
namespace {

constexpr int16_t kMicroseconds = 2;

// DuckDB compares names without regard to the case of ASCII letters.
bool same_but_for_case(const std::string& a, const std::string& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

}  // namespace

UnitedType::UnitedType(const Field& field) {
  const Type* type = &field.type;
  for (; type->code == TypeCode::kList || type->code == TypeCode::kLargeList; type = &type->children.front().type) {
    ++depth_;
  }
  bits_ = type->bit_width;
  is_signed_ = type->is_signed;
  unit_ = type->unit;
  precision_ = type->precision;
  scale_ = type->scale;
  switch (type->code) {
    case TypeCode::kBool: kind_ = Kind::kBool; break;
    case TypeCode::kInt: kind_ = Kind::kInt; break;
    case TypeCode::kFloatingPoint: kind_ = Kind::kFloat; break;
    case TypeCode::kDecimal: kind_ = Kind::kDecimal; break;
    case TypeCode::kDate: kind_ = Kind::kDate; break;
    case TypeCode::kTime: kind_ = Kind::kTime; break;
    case TypeCode::kTimestamp: kind_ = type->zoned ? Kind::kInstant : Kind::kTimestamp; break;
    case TypeCode::kUtf8:
    case TypeCode::kLargeUtf8:
    case TypeCode::kUtf8View: kind_ = Kind::kText; break;
    default: kind_ = Kind::kNull; break;
  }
}

bool UnitedType::unite(const UnitedType& other) {
  if (other.kind_ == Kind::kNull && other.depth_ <= depth_) return true;
  if (kind_ == Kind::kNull && depth_ <= other.depth_) {
    *this = other;
    return true;
  }
  if (kind_ != other.kind_ || depth_ != other.depth_) return false;
  switch (kind_) {
    case Kind::kInt: return unite_integers(other);
    case Kind::kDecimal: return unite_decimals(other);
    case Kind::kFloat: bits_ = std::max(bits_, other.bits_); return true;
    case Kind::kTimestamp:
      if (unit_ != other.unit_) unit_ = kMicroseconds;
      return true;
    default: return true;
  }
}

bool UnitedType::unite_integers(const UnitedType& other) {
  if (is_signed_ == other.is_signed_) {
    bits_ = std::max(bits_, other.bits_);
    return true;
  }
  const int32_t of_unsigned = is_signed_ ? other.bits_ : bits_;
  const int32_t of_signed = is_signed_ ? bits_ : other.bits_;
  is_signed_ = true;
  bits_ = std::max(of_signed, 2 * of_unsigned);
  return bits_ <= 64;
}

bool UnitedType::unite_decimals(const UnitedType& other) {
  const int32_t digits = std::max(precision_ - scale_, other.precision_ - other.scale_);
  scale_ = std::max(scale_, other.scale_);
  precision_ = digits + scale_;
  return precision_ <= kMaxDecimalDigits;
}

std::string UnitedType::scalar_sql() const {
  static constexpr std::array<const char*, 4> kTimestamps = {"TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP", "TIMESTAMP_NS"};
  switch (kind_) {
    case Kind::kNull: return "INTEGER";
    case Kind::kBool: return "BOOLEAN";
    case Kind::kInt: {
      const char* const name = bits_ == 8 ? "TINYINT" : bits_ == 16 ? "SMALLINT" : bits_ == 32 ? "INTEGER" : "BIGINT";
      return is_signed_ ? name : std::string("U") + name;
    }
    case Kind::kFloat: return bits_ == 64 ? "DOUBLE" : "FLOAT";
    case Kind::kDecimal: return "DECIMAL(" + std::to_string(precision_) + "," + std::to_string(scale_) + ")";
    case Kind::kText: return "VARCHAR";
    case Kind::kDate: return "DATE";
    case Kind::kTime: return "TIME";
    case Kind::kTimestamp: return kTimestamps[static_cast<size_t>(unit_)];
    case Kind::kInstant: return "TIMESTAMP WITH TIME ZONE";
  }
  return "INTEGER";
}

std::string UnitedType::sql() const {
  std::string name = scalar_sql();
  for (size_t i = 0; i < depth_; ++i) name += "[]";
  return name;
}

Status unite_columns(std::vector<UnitedColumn>& united, const std::vector<Field>& columns, const std::string& path) {
  for (const Field& field : columns) {
    const UnitedType type(decoded_field(field));
    const auto known = std::find_if(united.begin(), united.end(), [&](const UnitedColumn& column) {
      return same_but_for_case(column.name, field.name);
    });
    if (known == united.end()) {
      united.push_back({field.name, type, type_name(field), path});
      continue;
    }
    if (known->name != field.name) {
      return {Code::kInvalidArgument, path + ": columns \"" + known->name + "\" and \"" + field.name +
                                          "\" differ only in case; rename one of them"};
    }
    if (known->type.is_null()) {
      known->arrow_type = type_name(field);
      known->path = path;
    }
    if (!known->type.unite(type)) {
      return {Code::kInvalidArgument, path + ": column \"" + field.name + "\" is " + type_name(field) + " here and " +
                                          known->arrow_type + " in " + known->path + "; make the types of a column agree"};
    }
  }
  return {};
}

}  // namespace prerank::arrow
