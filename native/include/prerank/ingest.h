// From a raw log to a dataset: SQL whose rows DuckDB decodes, encoders that turn them into table rows and float32
// columns, Arrow IPC files. Parts of the log are encoded in parallel, one file each; the bytes do not depend on the
// number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "prerank/dataset.h"
#include "prerank/status.h"

namespace prerank {

// Consecutive rows of the log: what the queries return, one after the other. Every query selects the same columns.
struct LogQuery {
  std::string sql;
  std::string origin;  // file of the rows, for messages; "" when the spec has an origin column
};
struct LogPart {
  std::vector<LogQuery> queries;
  uint64_t rows = 0;
  uint64_t head_rows = 0;  // leading rows that belong to the last request of the part before
};

// How to reach the log: the C API of DuckDB's shared library, opened by path, and statements that set it up.
struct LogSource {
  std::string library;
  std::vector<std::string> setup;  // run once in the database, before any query
  std::vector<LogPart> parts;
};

enum class ValueType : uint8_t { kInt, kString };
enum class NullPolicy : uint8_t { kDefault, kDrop, kError };

// Which numbers a column may hold; others reject the row.
enum class NumberRule : uint8_t { kFinite, kNonNegative, kProbability, kBinary, kStage, kObjective };
// What the rules between roles, sampling and duplicates need to know of a column.
enum class NumberRole : uint8_t { kNone, kImpression, kCtrTraffic, kClick, kConversion, kStage, kWeight };

// A role or label: a number; NaN = null where nullable.
struct NumberColumn {
  size_t input = 0;  // index among the query's columns
  std::string output;
  ColumnType type = ColumnType::kFloat32;  // kFloat32 or kUint8
  NumberRule rule = NumberRule::kFinite;
  bool nullable = true;
  NumberRole role = NumberRole::kNone;
  std::string label;  // what messages call it
};

enum class DenseTransform : uint8_t { kLog1p, kStandardize };

// A dense feature: transforms in order, in float64, then float32. Null is encoded as 0 under kDefault.
struct DenseColumn {
  size_t input = 0;
  std::string output;
  std::vector<DenseTransform> transforms;
  double mean = 0;
  double deviation = 1;
  NullPolicy nulls = NullPolicy::kDefault;
  bool of_request = false;  // watched for being the same in all rows of a request
  std::string label;
  std::string source;  // raw column, for rejects
};

// An id feature, single- or multi-valued.
struct IdColumn {
  size_t input = 0;
  std::string output;
  size_t table = 0;  // index into IngestSpec::tables
  bool multi = false;
  std::optional<size_t> weights_input;  // multi only: a list as long as the ids
  std::string weights_output;
  NullPolicy nulls = NullPolicy::kDefault;
  bool of_request = false;
  std::string label;
  std::string source;
};

enum class CodeRole : uint8_t { kRequest, kUser, kAd };

// An id role. `request`: 0, 1, … in the order of the dataset. `user`, `ad`: 0, 1, … by falling count, then value.
// Null rejects the row.
struct CodeColumn {
  size_t input = 0;
  std::string output;
  CodeRole role = CodeRole::kRequest;
  uint32_t first = 0;  // code of the first value, where rows are added to a dataset that has codes below it
  std::string label;
};

// How the raw ids of a table become rows.
struct IdTable {
  std::string name;
  ValueType type = ValueType::kInt;
  uint64_t buckets = 0;  // hash: row = xxh64(canonical bytes) mod buckets; null as the empty string. 0: vocabulary
  // Vocabulary: row 0 is out-of-vocabulary, value i has row i + 1. Values learnt before (integers as decimal text) keep
  // their rows.
  std::vector<std::string> values;
  bool learn = false;           // add the values of this log that are not known, by falling count, then value
  uint64_t min_frequency = 1;   // of a value to be added
  uint64_t capacity = 0;        // most rows, row 0 included; 0: no limit
};

enum class Pool : uint8_t { kFinal, kEarly, kMixed };
enum class DuplicatePolicy : uint8_t { kKeep, kDrop, kError };

// Which rows are kept, by draws that depend on nothing but seed, request and ad: keep when
// xxh64(UTF-8 "seed/request/ad") < rate · 2^64.
struct Sampling {
  uint64_t seed = 0;
  // Non-impressions of the pool (framework §4.2): rate = per_request / size of the request's pool, or `rate`.
  bool augment = false;
  Pool pool = Pool::kMixed;
  double per_request = 0;  // 0: `rate` counts
  double rate = 1;
  // Whole-chain rates by furthest stage (preranking §1), 7 of them; empty: off.
  std::vector<double> stage_rates;
  // Multiply the row weight by 1 / rate; the dataset then has the output column `weight_output`.
  bool weight_by_inverse_rate = false;
  std::string weight_output;
  // Split by request: keep requests whose xxh64(UTF-8 "split/seed/request") < fraction · 2^64 when `split_keep_below`,
  // the others when not. fraction < 0: off.
  double split_fraction = -1;
  bool split_keep_below = true;
};

struct IngestSpec {
  LogSource source;
  size_t row_input = 0;                   // BIGINT: row within its file, from 0
  std::optional<size_t> origin_input;     // VARCHAR: file of the row
  std::optional<size_t> request_input;    // requests are consecutive in the source
  std::optional<size_t> ad_input;         // for duplicates and sampling
  std::vector<NumberColumn> numbers;
  std::vector<DenseColumn> dense;
  std::vector<IdColumn> ids;
  std::vector<CodeColumn> codes;
  std::vector<IdTable> tables;
  std::vector<std::string> output_order;  // names of all output columns, in the order of the files
  Sampling sampling;
  DuplicatePolicy duplicates = DuplicatePolicy::kKeep;
  uint64_t max_bad = 0;                   // kInvalidArgument is not returned above it: the result says so
  std::string folder;                     // exists and is empty; gets part-00000.arrow, …
  size_t threads = 1;
  uint64_t memory_bytes = uint64_t{2} << 30;
};

struct RejectedRow {
  std::string file;
  uint64_t row = 0;  // from 1
  std::string column;
  std::string value;  // as text, cut to 200 bytes; "" for null
  std::string reason;
};

struct EncodedBatch {
  uint64_t offset = 0;  // of the message in the file
  uint64_t bytes = 0;   // metadata and body
  uint64_t rows = 0;
  uint64_t checksum = 0;  // of those bytes (native/base/block_checksum.h)
};
struct EncodedFile {
  std::string name;
  uint64_t rows = 0;
  uint64_t bytes = 0;
  std::vector<EncodedBatch> batches;
};

// What a feature's values look like (rows that were kept).
struct FeatureSummary {
  std::string output;
  uint64_t rows = 0;
  uint64_t nulls = 0;
  // Numbers, before the transforms: NaN without a value. skewness = third standardised moment.
  double minimum = 0, maximum = 0, mean = 0, deviation = 0, skewness = 0;
  // Ids.
  uint64_t ids = 0;            // all elements
  uint64_t empty = 0;          // rows without an id: nulls and empty lists
  uint64_t longest = 0;        // most ids in a row
  uint64_t distinct = 0;       // exact with a vocabulary that is learnt, else a HyperLogLog estimate (1 % error)
  uint64_t out_of_vocabulary = 0;  // ids that got row 0; a null is no id
  double top_share = 0;        // share of the most frequent id; NaN where not known
  bool constant_in_request = false;  // the same in all rows of every request (of_request columns)
};

struct LearntTable {
  std::vector<std::string> values;  // all, old ones first
  uint64_t added = 0;
  uint64_t refused = 0;  // distinct values that passed min_frequency and found no room
};

struct IngestResult {
  uint64_t rows = 0;
  uint64_t requests = 0;
  uint64_t rejected = 0, dropped = 0, sampled_out = 0, duplicates = 0;
  bool too_many_bad = false;              // stopped above max_bad; no usable files
  std::vector<RejectedRow> rejects;       // in the order of the log
  std::vector<EncodedFile> files;         // without empty parts
  std::vector<LearntTable> tables;
  std::vector<FeatureSummary> features;   // dense, ids: in the order of the spec
};

struct IngestProgress {
  uint64_t rows_read = 0;
  uint64_t rows_written = 0;
  uint64_t parts_done = 0;
};

class Ingest {
 public:
  static Result<std::unique_ptr<Ingest>> create(IngestSpec spec);
  virtual ~Ingest() = default;
  // Once. kCancelled after cancel(); kIoError with the path when a file cannot be written (disk full).
  virtual Result<IngestResult> run() = 0;
  virtual void cancel() = 0;                     // any thread
  virtual IngestProgress progress() const = 0;   // any thread
};

// --- profile: what has to be known of a log before its parts are encoded -------------------------------------------

struct ProfileSpec {
  LogSource source;  // head_rows are not looked at
  size_t row_input = 0;
  std::optional<size_t> request_input;
  std::optional<size_t> time_input;  // BIGINT, DOUBLE or VARCHAR
  // Moments of numeric columns after an optional log1p (keeping the sign): null, NaN and infinite values do not count.
  std::vector<size_t> moment_inputs;
  std::vector<bool> moment_log1p;
  // Moments of the requests on one side of a split only, drawn as Sampling says; split_fraction < 0: of all rows.
  uint64_t split_seed = 0;
  double split_fraction = -1;
  bool split_keep_below = true;
  size_t threads = 1;
  uint64_t memory_bytes = uint64_t{2} << 30;
};

struct PartProfile {
  uint64_t rows = 0;
  uint64_t head_rows = 0;
};
struct Moments {
  double mean = 0;
  double deviation = 1;  // population; 1 for a constant or empty column
  uint64_t count = 0;
};
struct LogProfile {
  std::vector<PartProfile> parts;
  uint64_t rows = 0;
  uint64_t requests = 0;            // runs of equal requests
  bool requests_together = true;    // no request comes back after another one
  bool chronological = true;        // no time is below the one before; nulls are not looked at
  std::vector<Moments> moments;     // merged in the order of the parts
};

Result<LogProfile> profile_log(const ProfileSpec& spec, const std::function<bool()>& cancelled);

}  // namespace prerank
