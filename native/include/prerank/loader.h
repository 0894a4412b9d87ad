// Turns dataset columns into batches, ahead of the step, on its own threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "prerank/batch.h"
#include "prerank/dataset.h"
#include "prerank/plan.h"
#include "prerank/status.h"

namespace prerank {

// What a row teaches whose ad was not shown.
enum class Unseen : uint8_t {
  kLabel,     // its pseudo-label, or the target column without one
  kNegative,  // the target 0
  kNone,      // nothing
};

// y = (shown ? target : what `unseen` says), mapped to scale * (y - shift);
// the row trains the task when traffic (if given) is non-zero and y is not NaN.
struct TaskSource {
  std::string target = {};   // float32 column, NaN = null
  std::string pseudo = {};   // optional float32 column used where `shown` is 0 ("" = same as target)
  Unseen unseen = Unseen::kLabel;
  std::string shown = {};    // optional uint8 column ("" = every row is shown)
  std::string traffic = {};  // optional uint8 column ("" = every row)
  double shift = 0;
  double scale = 1;
  bool probability = false;  // targets outside [0, 1] are an error
};

struct DenseSource {
  Domain domain = Domain::kRow;
  std::vector<std::string> columns;  // float32 columns, interleaved into [rows, columns]
};

struct IdSource {
  Domain domain = Domain::kRow;
  std::string column = {};
  std::string weights = {};  // list_float32 with the same offsets, or ""
  bool multi = false;
  Pooling pooling = Pooling::kSum;
  int32_t table = -1;    // ids of one table are indexed together
  int64_t table_rows = 0;
};

enum class Shuffle : uint8_t { kNone, kWindow, kFull };

struct LoaderOptions {
  size_t batch_size = 4096;
  Shuffle shuffle = Shuffle::kNone;
  size_t window_rows = 0;  // kWindow: rows per chronological block
  uint64_t seed = 1;       // the row order is a pure function of (seed, epoch)
  size_t epochs = 1;       // then next() returns null
  size_t threads = 1;
  size_t prefetch = 0;     // batches assembled ahead, no more threads than that; 0: one a thread, at least 2
  bool training = true;    // false: no masks, targets, table index
  bool table_index = true; // training only
  std::string request;     // uint32 column; groups consecutive equal values into requests (request domain), or ""
  std::string weight;      // float32 column, or ""
  std::vector<DenseSource> dense;  // in the order of Plan::dense_inputs
  std::vector<IdSource> ids;       // in the order of Plan::id_inputs
  std::vector<TaskSource> tasks;   // in the order of Plan::tasks
};

struct Cursor {
  uint64_t epoch = 0;
  uint64_t batch = 0;  // within the epoch
};

struct LoaderStats {
  uint64_t batches = 0;      // handed out
  uint64_t rows = 0;
  uint64_t bytes_gathered = 0;  // copied out of the columns, each byte of a batch once
  double wait_seconds = 0;   // next() blocked for so long
  uint64_t assembled = 0;    // batches ready or handed out
  double gather_seconds = 0;  // processor time of the loader's threads: columns to batches
  double index_seconds = 0;   // the same: ids sorted by table row
};

class Loader {
 public:
  static Result<std::unique_ptr<Loader>> create(std::shared_ptr<Dataset> dataset, LoaderOptions options);
  virtual ~Loader() = default;

  // Next batch, or null at the end of the last epoch. Valid until the next call of next() or seek().
  virtual Result<const Batch*> next() = 0;
  // Position after the last batch handed out: where a resumed run goes on.
  virtual Cursor consumed() const = 0;
  virtual Status seek(Cursor cursor) = 0;
  virtual uint64_t batches_per_epoch() const = 0;
  virtual LoaderStats stats() const = 0;
};

// Builds the table index of a batch whose ids are set (used by Loader and for batches given by a caller).
class TableIndexer {
 public:
  // `tables`: rows of each table; `ids`: as IdSource, only table, pooling, domain, multi are read.
  static Result<std::unique_ptr<TableIndexer>> create(std::vector<int64_t> tables, std::vector<IdSource> ids, size_t threads);
  // For the tables and id inputs of a checked plan.
  static Result<std::unique_ptr<TableIndexer>> create(const Plan& plan, size_t threads);
  virtual ~TableIndexer() = default;
  // Fills batch.table_index with spans into this object, valid until the next call.
  virtual Status index(Batch& batch) = 0;
};

}  // namespace prerank
