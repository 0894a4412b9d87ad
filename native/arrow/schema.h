// The schema of an Arrow IPC file or stream.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "arrow/flatbuffer_view.h"
#include "arrow/format.h"
#include "prerank/status.h"

namespace prerank::arrow {

struct Field;

struct Type {
  TypeCode code = TypeCode::kNone;
  int32_t bit_width = 0;   // integers, decimals and times; floating point: 16, 32 or 64
  bool is_signed = false;  // integers
  int16_t unit = 0;        // dates: 0 days, 1 milliseconds; times, timestamps: 0 s, 1 ms, 2 µs, 3 ns
  bool zoned = false;      // timestamps that name a time zone: instants
  int32_t precision = 0;   // decimals
  int32_t scale = 0;
  int32_t list_size = 0;  // fixed-size lists
  bool dense = false;     // unions
  std::vector<Field> children;

  bool operator==(const Type&) const = default;
};

struct DictionaryIndex {
  int64_t id = 0;
  int32_t bit_width = 32;
  bool is_signed = true;
};

struct Field {
  std::string name;
  Type type;                                  // of the values, for dictionary-encoded fields too
  std::optional<DictionaryIndex> dictionary;  // how they refer to a dictionary

  // Dictionaries may be numbered differently in the schema message and in the footer.
  bool operator==(const Field& other) const {
    return name == other.name && type == other.type && dictionary.has_value() == other.dictionary.has_value();
  }
};

struct Schema {
  std::vector<Field> fields;

  bool operator==(const Schema&) const = default;
};

// Reads the Schema table; messages of errors say what is wrong, not where.
Result<Schema> read_schema(FlatBufferView& view, FlatBufferView::Table table);

// "list<int64>", "dictionary<utf8>", … for messages.
std::string type_name(const Field& field);

}  // namespace prerank::arrow
