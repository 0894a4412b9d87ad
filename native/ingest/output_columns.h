// The columns that a spec writes, and what fills each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ingest/batch_encoder.h"
#include "prerank/ingest.h"
#include "prerank/status.h"

namespace prerank::ingest {

struct OutputSource {
  enum class Kind : uint8_t { kNumber, kDense, kId, kIdWeights, kCode, kSampleWeight };
  Kind kind = Kind::kNumber;
  size_t index = 0;  // in the spec's list of that kind
};

struct PlannedOutput {
  OutputColumn column;
  OutputSource source;
};

// In the order of output_order. kInvalidArgument when the spec does not hold together.
Result<std::vector<PlannedOutput>> plan_outputs(const IngestSpec& spec);

// Whether a number column is written; the weight role is not when the sample weights take its name.
bool is_written(const IngestSpec& spec, const NumberColumn& column);

}  // namespace prerank::ingest
