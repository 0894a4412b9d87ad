// The columns of several Arrow files, united by name.
#pragma once

#include <string>
#include <vector>

#include "arrow/schema.h"
#include "prerank/status.h"

namespace prerank::arrow {

// A SQL type that holds a column of all files.
class UnitedType {
 public:
  // Of a field that decoded_field() gave.
  explicit UnitedType(const Field& field);

  // False when the other type is of another kind: text and numbers, lists and scalars, … Integers of several widths,
  // floating point numbers, decimals and timestamps of several units go together; nulls go with everything.
  bool unite(const UnitedType& other);
  std::string sql() const;
  bool is_null() const { return kind_ == Kind::kNull; }

 private:
  enum class Kind { kNull, kBool, kInt, kFloat, kDecimal, kText, kDate, kTime, kTimestamp, kInstant };

  bool unite_integers(const UnitedType& other);
  bool unite_decimals(const UnitedType& other);
  std::string scalar_sql() const;

  Kind kind_ = Kind::kNull;
  int32_t bits_ = 0;
  bool is_signed_ = false;
  int16_t unit_ = 0;
  int32_t precision_ = 0, scale_ = 0;
  size_t depth_ = 0;  // of lists
};

struct UnitedColumn {
  std::string name;
  UnitedType type;
  std::string arrow_type;  // in the first file that says more of it than null
  std::string path;        // of that file
};

// Adds the columns of a file; `columns` are as in the file. kInvalidArgument names column, types and files when types
// do not go together, or when names differ only in case.
Status unite_columns(std::vector<UnitedColumn>& united, const std::vector<Field>& columns, const std::string& path);

}  // namespace prerank::arrow
