// Whether an IngestSpec holds together.
#pragma once

#include "prerank/ingest.h"
#include "prerank/status.h"

namespace prerank::ingest {

// kInvalidArgument with what is wrong: indices, rules that do not fit types, roles given twice, sampling without the
// columns that it needs. Says nothing of the names of outputs.
Status check_spec(const IngestSpec& spec);

}  // namespace prerank::ingest
