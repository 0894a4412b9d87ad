// Comparing the raw values that tell requests apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ingest/row_block.h"
#include "prerank/status.h"

namespace prerank::ingest {

// kUnsupported for values that are lists.
Status check_request_column(const VectorView& column);

// Whether two values of columns of the same type are the same; neither is null. Numbers compare as DuckDB compares
// them: NaN equals NaN, -0 equals 0.
bool same_request(const VectorView& a, size_t row_a, const VectorView& b, size_t row_b);

// Rows of [from, to) that begin a request: not null and not the value of the last row before that was not null.
// `before` (may be null) with its row: the last value before `from`. Sets `last` to the last row that is not null, if
// any.
void find_request_starts(const VectorView& column, size_t from, size_t to, const VectorView* before, size_t before_row,
                         std::vector<uint32_t>& starts, size_t& last);

// A copy of a value that is not null: equal bytes, equal request.
std::string request_bytes(const VectorView& column, size_t row);

// A hash of a value that is not null: equal requests have equal hashes.
uint64_t request_hash(const VectorView& column, size_t row);

}  // namespace prerank::ingest
