// Reading id columns: integers of any width as 64 bits, strings as views.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/kept_rows.h"
#include "ingest/row_block.h"
#include "prerank/ingest.h"
#include "prerank/status.h"

namespace prerank::ingest {

// Ids come as integers or strings; anything else was to be cast in the query.
Status check_id_type(Physical found, ValueType wanted, const std::string& label);

// The elements as int64 (unsigned 64-bit integers keep their bits): the vector's memory, or `scratch`.
const int64_t* read_ints(const Elements& elements, std::vector<int64_t>& scratch);

// Lists: the elements of consecutive rows, as runs that lie together in the child vector.
struct ListRun {
  size_t from = 0;
  size_t count = 0;
};

// Appends the runs of the lists to `runs` and their lengths to `lengths` (null: 0). kInternal when an entry lies
// outside the child.
Status list_runs(const Elements& lists, std::vector<uint32_t>& lengths, std::vector<ListRun>& runs);

}  // namespace prerank::ingest
