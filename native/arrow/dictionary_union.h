// A dictionary and what a delta adds to it, as one.
#pragma once

#include "arrow/array.h"
#include "arrow/batch_memory.h"
#include "prerank/status.h"

namespace prerank::arrow {

// `type`: decoded, a string view or of fixed width. The characters stay where they are.
Result<Array> unite(const Type& type, const Array& first, const Array& second, BatchMemory& memory);

}  // namespace prerank::arrow
