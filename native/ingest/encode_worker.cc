#include "ingest/encode_worker.h"

#include <algorithm>
#include <utility>

#include "ingest/row_copy.h"

namespace prerank::ingest {
namespace {

// The rows of a slice that belong to the head are kept and taken from the slice.
void split_head(RowSlice& slice, std::vector<RowSlice>& head, uint64_t& missing) {
  const size_t taken = std::min<uint64_t>(missing, slice.rows());
  head.push_back(copy_rows({slice.chunk, slice.from, slice.from + taken, slice.origin}));
  slice.from += taken;
  missing -= taken;
}

}  // namespace

std::string encoding_path(const std::string& folder, size_t part) {
  return folder + "/encoding-" + std::to_string(part) + ".arrow";
}

Status EncodeWorker::run() {
  PRERANK_ASSIGN_OR_RETURN(connection_, shared_.log.connect());
  for (;;) {
    PRERANK_ASSIGN_OR_RETURN(const std::optional<size_t> part, next_part());
    if (!part) return {};
    PRERANK_RETURN_IF_ERROR(read(*part));
  }
}

Result<std::optional<size_t>> EncodeWorker::next_part() {
  const auto& parts = shared_.spec.source.parts;
  while (open_) {
    const size_t next = open_->next;
    if (next >= parts.size() || (parts[next].head_rows == 0 && parts[next].rows > 0)) {
      PRERANK_RETURN_IF_ERROR(close_part());
    } else if (shared_.queue.claim_part(next)) {
      return std::optional(next);
    } else {
      PRERANK_RETURN_IF_ERROR(take_head(next));
    }
  }
  return shared_.queue.claim();
}

// The head is published whatever has been given up meanwhile: the part before may need it.
Status EncodeWorker::read(size_t part) {
  const LogPart& described = shared_.spec.source.parts[part];
  PartReader reader(shared_.log, connection_, part);
  std::vector<RowSlice> head;
  uint64_t missing = described.head_rows;
  if (missing == 0) PRERANK_RETURN_IF_ERROR(publish_head(part, {}));
  const auto visit = [&](RowSlice slice) -> Result<bool> {
    shared_.progress.rows_read += slice.rows();
    if (missing > 0) {
      split_head(slice, head, missing);
      if (missing == 0) PRERANK_RETURN_IF_ERROR(publish_head(part, std::move(head)));
      if (slice.rows() == 0) return true;
    }
    if (shared_.queue.given_up(part)) return false;
    if (shared_.spec.request_input && described.head_rows == described.rows) return reader.changed();
    PRERANK_RETURN_IF_ERROR(encode(part, slice));
    return true;
  };
  PRERANK_ASSIGN_OR_RETURN(const bool whole, reader.read(visit));
  if (!whole) {
    open_.reset();
    return {};
  }
  if (missing > 0) return reader.changed();
  if (shared_.spec.request_input) PRERANK_RETURN_IF_ERROR(reader.check_rows());
  // Rows that are all in the head leave nothing to encode.
  if (!open_ || open_->index != part) return complete(part, {});
  return shared_.spec.request_input ? Status() : close_part();
}

Status EncodeWorker::publish_head(size_t part, std::vector<RowSlice> head) {
  shared_.queue.publish_head(part, std::move(head));
  return open_ ? take_head(part) : Status();
}

Status EncodeWorker::take_head(size_t part) {
  const auto head = shared_.queue.take_head(part, open_->index);
  if (!head) {
    open_.reset();
    return {};
  }
  for (const RowSlice& slice : *head) open_->blocks.extend(slice);
  open_->next = part + 1;
  const LogPart& described = shared_.spec.source.parts[part];
  return described.head_rows < described.rows ? close_part() : Status();
}

Status EncodeWorker::encode(size_t part, const RowSlice& slice) {
  if (!open_) {
    writer_.begin(encoding_path(shared_.spec.folder, part));
    open_ = {part, part + 1, RequestBlocks(shared_.spec.request_input)};
  }
  PRERANK_ASSIGN_OR_RETURN(RowBlock block, open_->blocks.add(slice));
  return add_block(part, std::move(block));
}

Status EncodeWorker::close_part() {
  const size_t part = open_->index;
  RowBlock last = open_->blocks.finish();
  open_.reset();
  PRERANK_RETURN_IF_ERROR(add_block(part, std::move(last)));
  if (shared_.queue.given_up(part)) return {};
  PRERANK_ASSIGN_OR_RETURN(WrittenPart written, writer_.finish());
  count_written();
  return complete(part, std::move(written));
}

Status EncodeWorker::add_block(size_t part, RowBlock block) {
  PRERANK_RETURN_IF_ERROR(writer_.add(std::move(block), rejects_));
  shared_.rejects.add(part, rejects_);
  count_written();
  return check_dictionaries();
}

void EncodeWorker::count_written() {
  const uint64_t written = writer_.rows_written();
  shared_.progress.rows_written += written - std::exchange(rows_written_, written);
}

Status EncodeWorker::complete(size_t part, WrittenPart written) {
  ++shared_.progress.parts_done;
  return shared_.numbered(shared_.results.complete(part, worker_, std::move(written)));
}

Status EncodeWorker::check_dictionaries() {
  const size_t bytes = encoder_.dictionary_bytes();
  if (bytes == dictionary_bytes_) return {};
  const size_t all = shared_.dictionary_bytes += bytes - std::exchange(dictionary_bytes_, bytes);
  if (all <= shared_.dictionary_limit) return {};
  return {Code::kOutOfMemory, "the distinct ids take more than " + std::to_string(shared_.dictionary_limit >> 20) +
                                  " MiB of memory, most of it " + encoder_.largest_dictionary() +
                                  "; hash that table or allow more memory"};
}

}  // namespace prerank::ingest
