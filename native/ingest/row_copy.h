// Rows that are kept longer than DuckDB keeps them.
#pragma once

#include "ingest/row_block.h"

namespace prerank::ingest {

// A slice of all rows of a new chunk that holds copies of the slice's rows.
RowSlice copy_rows(const RowSlice& slice);

}  // namespace prerank::ingest
