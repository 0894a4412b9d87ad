// A worker of an ingest: takes parts, reads, encodes and writes them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ingest/batch_encoder.h"
#include "ingest/log_reader.h"
#include "ingest/part_queue.h"
#include "ingest/part_results.h"
#include "ingest/part_writer.h"
#include "ingest/reject_log.h"
#include "ingest/request_blocks.h"
#include "prerank/ingest.h"
#include "prerank/status.h"

namespace prerank::ingest {

struct ProgressCounters {
  std::atomic<uint64_t> rows_read{0};
  std::atomic<uint64_t> rows_written{0};
  std::atomic<uint64_t> parts_done{0};
};

// What the workers of a run share.
struct EncodeShared {
  const IngestSpec& spec;
  const std::vector<OutputColumn>& columns;
  LogReader& log;
  PartQueue& queue;
  RejectLog& rejects;
  PartResults& results;
  // Called with files that have their place, by the worker that made that possible.
  std::function<Status(std::vector<NumberedPart>)> numbered;
  ProgressCounters& progress;
  size_t dictionary_limit = 0;  // bytes, all workers together
  std::atomic<size_t> dictionary_bytes{0};
};

class EncodeWorker {
 public:
  EncodeWorker(EncodeShared& shared, size_t worker, BatchEncoder& encoder)
      : shared_(shared), worker_(worker), encoder_(encoder), writer_(encoder, shared.columns) {}

  // Until no part is left, or the rest is given up.
  Status run();

 private:
  // A part that is encoded but for its last request, which may go on in the parts after it.
  struct OpenPart {
    size_t index;
    size_t next;  // the part whose head comes next
    RequestBlocks blocks;
  };

  // One whose head the open part needs, or the next that nobody has; nullopt when none is left.
  Result<std::optional<size_t>> next_part();
  Status read(size_t part);
  Status publish_head(size_t part, std::vector<RowSlice> head);
  // Adds a published head to the open part, which ends there unless the head is a whole part.
  Status take_head(size_t part);
  Status encode(size_t part, const RowSlice& slice);
  Status close_part();
  Status add_block(size_t part, RowBlock block);
  void count_written();
  Status complete(size_t part, WrittenPart written);
  Status check_dictionaries();

  EncodeShared& shared_;
  size_t worker_;
  BatchEncoder& encoder_;
  PartWriter writer_;
  std::shared_ptr<duckdb::Connection> connection_;
  std::optional<OpenPart> open_;
  std::vector<RejectedRow> rejects_;
  size_t dictionary_bytes_ = 0;
  uint64_t rows_written_ = 0;
};

// Name of a part's file while it is encoded.
std::string encoding_path(const std::string& folder, size_t part);

}  // namespace prerank::ingest
