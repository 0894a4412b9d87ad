// Values as text: in rejects, and in the keys of the sampling draws.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "ingest/kept_rows.h"
#include "ingest/row_block.h"

namespace prerank::ingest {

// Integers as decimals, floats as the shortest text that reads back ("NaN", "Infinity"), booleans as true and false,
// strings as they are, lists as [1, 2, NULL]. Null is empty.
void append_text(const VectorView& view, size_t row, std::string& text);
void append_number(double value, std::string& text);

// The file of a row: its column, or what its query says.
std::string file_of(const BlockRow& place, std::optional<size_t> origin_input);

// The text of a value for a reject: cut to 200 bytes, between characters.
std::string reject_text(const VectorView& view, size_t row);

}  // namespace prerank::ingest
