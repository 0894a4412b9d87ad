#include "ingest/encode_worker.h"

#include <utility>

namespace prerank::ingest {

std::string encoding_path(const std::string& folder, size_t part) {
  return folder + "/encoding-" + std::to_string(part) + ".arrow";
}

Status EncodeWorker::run() {
  PRERANK_ASSIGN_OR_RETURN(connection_, shared_.log.connect());
  std::optional<OpenPart> next;
  for (;;) {
    if (!next) {
      const std::optional<size_t> part = shared_.queue.claim();
      if (!part) return {};
      PRERANK_ASSIGN_OR_RETURN(next, open(*part));
    }
    OpenPart part = std::move(*next);
    next.reset();
    PRERANK_RETURN_IF_ERROR(encode(std::move(part), next));
  }
}

// The head is published whatever has been given up meanwhile: the part before may need it.
Result<EncodeWorker::OpenPart> EncodeWorker::open(size_t part) {
  OpenPart opened{part, PartReader(shared_.log, connection_, part)};
  PRERANK_ASSIGN_OR_RETURN(std::vector<RowSlice> head, opened.reader.read_head());
  shared_.progress.rows_read += opened.reader.rows();
  shared_.queue.publish_head(part, std::move(head));
  return opened;
}

Status EncodeWorker::encode(OpenPart part, std::optional<OpenPart>& next) {
  const IngestSpec& spec = shared_.spec;
  writer_.begin(encoding_path(spec.folder, part.index));
  RequestBlocks blocks(spec.request_input);
  bool has_rows = false;
  for (;;) {
    if (shared_.queue.given_up(part.index)) return {};
    PRERANK_ASSIGN_OR_RETURN(const std::optional<RowSlice> slice, part.reader.next());
    if (!slice) break;
    has_rows = true;
    shared_.progress.rows_read += slice->rows();
    PRERANK_ASSIGN_OR_RETURN(RowBlock block, blocks.add(*slice));
    PRERANK_RETURN_IF_ERROR(add_block(part.index, std::move(block)));
  }
  if (spec.request_input) PRERANK_RETURN_IF_ERROR(part.reader.check_end());
  if (has_rows && spec.request_input) {
    PRERANK_ASSIGN_OR_RETURN(const bool whole, add_heads(part.index, blocks, next));
    if (!whole) return {};
    PRERANK_RETURN_IF_ERROR(add_block(part.index, blocks.finish()));
  }
  if (shared_.queue.given_up(part.index)) return {};
  PRERANK_ASSIGN_OR_RETURN(WrittenPart written, writer_.finish());
  count_written();
  return complete(part.index, std::move(written));
}

Result<bool> EncodeWorker::add_heads(size_t part, RequestBlocks& blocks, std::optional<OpenPart>& next) {
  const auto& parts = shared_.spec.source.parts;
  for (size_t i = part + 1; i < parts.size() && (parts[i].head_rows > 0 || parts[i].rows == 0); ++i) {
    if (shared_.queue.claim_part(i)) {
      PRERANK_ASSIGN_OR_RETURN(next, open(i));
    }
    const auto head = shared_.queue.take_head(i, part);
    if (!head) return false;
    for (const RowSlice& slice : *head) blocks.extend(slice);
    if (parts[i].head_rows < parts[i].rows) break;
    if (!next) continue;
    // All rows of the part are in its head: nothing is left to encode.
    PRERANK_RETURN_IF_ERROR(next->reader.check_end());
    PRERANK_RETURN_IF_ERROR(complete(i, {}));
    next.reset();
  }
  return true;
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
