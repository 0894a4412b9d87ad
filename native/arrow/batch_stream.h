// Arrow files with the same columns as one ArrowArrayStream: a slice of a record batch at a time, with the row's file
// and number beside its columns.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "arrow/batch_reader.h"
#include "arrow/c_data.h"
#include "arrow/export.h"
#include "prerank/status.h"

namespace prerank::arrow {

// Files whose readable columns are the same.
struct FileGroup {
  std::vector<std::string> paths;
  std::vector<Field> columns;
};

class BatchStream {
 public:
  // Columns c0, c1, … of `group` as decoded_field() gives them, then the path (string view) and the row in its file
  // (int64). `memory_limit`: see BatchReader. `cancelled` is asked before every slice.
  BatchStream(FileGroup group, size_t memory_limit, std::function<bool()> cancelled);
  ~BatchStream();
  BatchStream(const BatchStream&) = delete;
  BatchStream& operator=(const BatchStream&) = delete;

  // The stream for a consumer, who does not release it: it belongs to this object.
  ArrowArrayStream* stream() { return &stream_; }

  uint64_t rows() const { return rows_; }  // handed over
  // Why reading failed, or that a file became shorter before its last slice was released.
  Status status() const { return state_->status(); }

 private:
  // Shared with the slices, which note what they find when they are released.
  class State {
   public:
    Status status() const;
    void fail(const Status& status);

   private:
    mutable std::mutex mutex_;
    Status status_;
  };
  struct Slice;

  static int get_schema(ArrowArrayStream* stream, ArrowSchema* out);
  static int get_next(ArrowArrayStream* stream, ArrowArray* out);
  static const char* get_last_error(ArrowArrayStream* stream);

  Status next(ArrowArray& out);
  Status open_next_file();
  Result<ArrowArray> slice(uint64_t rows);

  FileGroup group_;
  size_t memory_limit_;
  std::function<bool()> cancelled_;
  ArrowArrayStream stream_ = {};
  std::vector<std::unique_ptr<ExportedSchema>> schemas_;  // every consumer's own
  std::shared_ptr<State> state_;
  std::string last_error_;

  size_t next_file_ = 0;
  std::unique_ptr<BatchReader> reader_;
  std::shared_ptr<const RecordBatch> batch_;
  uint64_t batch_row_ = 0;  // first row of the batch that was not handed over
  uint64_t file_row_ = 0;   // the same in the file
  uint64_t rows_ = 0;
};

}  // namespace prerank::arrow
