// Replay: what an early stage would pass on of each request, against what the final stage would pick; over the mapped
// columns of a replay log, request by request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "metrics/total_value.h"
#include "prerank/dataset.h"
#include "prerank/status.h"

namespace prerank {

// The early stage's score of every row: a float32 column, numbers given for the rows, or a total value.
using EarlyScore = std::variant<std::string, std::span<const float>, TotalValueSource>;

struct ReplayOptions {
  std::string request;      // uint32 column
  std::string final_score;  // float32 column; NaN: the row did not reach the final stage and takes no part
  EarlyScore early;
  uint64_t k = 0;        // picks of the final stage
  uint64_t early_k = 0;  // picks of the early stage
  bool gains = true;     // dcg and idcg, which need the picks in order; else they are 0
  size_t threads = 1;
};

// A request with candidates. Order: score descending, equal scores by row ascending.
struct RequestReplay {
  double rows = 0;              // candidates of the final stage
  double k = 0;                 // min(k, rows)
  double hits = 0;              // rows both in the early top early_k and in the final top k
  double soft_numerator = 0;    // final scores summed over the early top early_k
  double soft_denominator = 0;  // over the final top k
  double dcg = 0, idcg = 0;     // linear gain max(final, 0), first k
  double difference = 0;        // |final - early| summed over the rows
  double size = 0;              // |final| summed over the rows
};

// A candidate whose score is missing or not finite.
struct ReplayFault {
  enum class Input : uint8_t { kEarly, kFinal, kBid, kClickRate, kViewRate };
  size_t row = 0;
  Input input = Input::kEarly;
};

struct ReplayResult {
  std::vector<uint32_t> requests;           // codes, in the order of the dataset; ascending when they are scattered
  std::vector<RequestReplay> per_request;
  std::optional<ReplayFault> fault;         // then the rest is not complete
};

// Requests whose rows are consecutive, as ingest leaves them, take a pass over the columns and no memory beyond the
// result and one request's candidates a thread; otherwise rows are sorted by request first (8 bytes a candidate). The
// result does not depend on the number of threads. kInvalidArgument for k or early_k of 0 or scores that are not one a
// row, kNotFound, kDatasetCorrupt, kDatasetChanged.
Result<ReplayResult> replay(const Dataset& dataset, const ReplayOptions& options);

}  // namespace prerank
