#include "ingest/seal_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <utility>

#include "base/block_checksum.h"

namespace prerank::ingest {
namespace {

class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : path_(path), fd_(open(path.c_str(), O_RDWR | O_CLOEXEC)) {}
  ~OpenFile() {
    if (fd_ >= 0) close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  bool is_open() const { return fd_ >= 0; }
  Status error(const char* what) const { return {Code::kIoError, path_ + ": " + what + ": " + std::strerror(errno)}; }

  Status read(std::byte* data, size_t bytes, uint64_t offset) const {
    while (bytes > 0) {
      const ssize_t done = pread(fd_, data, bytes, static_cast<off_t>(offset));
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) return error("cannot read it back");
      if (done == 0) return {Code::kDatasetChanged, path_ + ": became shorter while it was written"};
      data += done;
      bytes -= static_cast<size_t>(done);
      offset += static_cast<uint64_t>(done);
    }
    return {};
  }

  Status write(const std::byte* data, size_t bytes, uint64_t offset) const {
    while (bytes > 0) {
      const ssize_t done = pwrite(fd_, data, bytes, static_cast<off_t>(offset));
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) return error("cannot write");
      data += done;
      bytes -= static_cast<size_t>(done);
      offset += static_cast<uint64_t>(done);
    }
    return {};
  }

  Status sync() const { return fsync(fd_) == 0 ? Status() : error("cannot sync to the disk"); }

 private:
  const std::string& path_;
  int fd_;
};

// False when a value has no place in the map: the file is not what was written.
bool apply_map(std::span<uint32_t> values, std::span<const uint32_t> map, uint64_t& zeros) {
  for (uint32_t& value : values) {
    if (value >= map.size()) return false;
    value = map[value];
    zeros += value == 0 ? 1 : 0;
  }
  return true;
}

// Values of a batch that are rewritten, by their place in the message.
struct RewrittenValues {
  size_t column;
  uint64_t begin, end;
};

std::vector<RewrittenValues> rewritten_values(const WrittenRows& batch, const std::vector<OutputColumn>& columns) {
  std::vector<RewrittenValues> values;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].remap.kind == Remap::Kind::kNone || batch.value_counts[i] == 0) continue;
    const uint64_t begin = batch.place.values_offset[i] - batch.place.offset;
    values.push_back({i, begin, begin + batch.value_counts[i] * sizeof(uint32_t)});
  }
  return values;
}

// Rewrites the blocks of a batch that hold such values and hashes them; the other blocks are not read.
class BatchSealer {
 public:
  BatchSealer(const WrittenPart& part, const OpenFile& file, const SealPlan& plan, std::vector<uint64_t>& zeros)
      : part_(part), file_(file), plan_(plan), zeros_(zeros), block_(kChecksumBlock) {}

  // Returns the checksum of the batch.
  Result<uint64_t> seal(const WrittenRows& batch, uint64_t first_request) {
    std::vector<uint64_t> hashes = batch.place.block_hashes;
    const std::vector<RewrittenValues> values = rewritten_values(batch, *plan_.columns);
    auto next = values.begin();
    for (size_t block = 0; block < hashes.size(); ++block) {
      const uint64_t begin = block * kChecksumBlock;
      const uint64_t end = std::min<uint64_t>(begin + kChecksumBlock, batch.place.bytes);
      while (next != values.end() && next->end <= begin) ++next;
      if (next == values.end() || next->begin >= end) continue;
      const std::span bytes = std::span(block_).first(end - begin);
      PRERANK_RETURN_IF_ERROR(file_.read(bytes.data(), bytes.size(), batch.place.offset + begin));
      for (auto of = next; of != values.end() && of->begin < end; ++of) {
        const uint64_t from = std::max(of->begin, begin), to = std::min(of->end, end);
        const std::span words(reinterpret_cast<uint32_t*>(bytes.data() + (from - begin)), (to - from) / sizeof(uint32_t));
        PRERANK_RETURN_IF_ERROR(rewrite(words, of->column, first_request));
      }
      PRERANK_RETURN_IF_ERROR(file_.write(bytes.data(), bytes.size(), batch.place.offset + begin));
      hashes[block] = xxh64(bytes.data(), bytes.size());
    }
    return checksum_of_blocks(hashes);
  }

 private:
  Status rewrite(std::span<uint32_t> values, size_t column, uint64_t first_request) {
    if ((*plan_.columns)[column].remap.kind == Remap::Kind::kRequest) {
      for (uint32_t& value : values) value += static_cast<uint32_t>(first_request);
      return {};
    }
    if (apply_map(values, plan_.maps[column], zeros_[column])) return {};
    return {Code::kDatasetChanged, part_.path + ": changed while it was written"};
  }

  const WrittenPart& part_;
  const OpenFile& file_;
  const SealPlan& plan_;
  std::vector<uint64_t>& zeros_;
  std::vector<std::byte> block_;
};

}  // namespace

Status seal_file(const WrittenPart& part, const SealPlan& plan, const std::string& folder, const std::string& name,
                 const std::function<bool()>& cancelled, SealedFile& sealed) {
  const OpenFile file(part.path);
  if (!file.is_open()) return file.error("cannot open it again");
  sealed.file.name = name;
  sealed.file.bytes = part.bytes;
  sealed.zeros.resize(plan.columns->size());
  BatchSealer sealer(part, file, plan, sealed.zeros);
  uint64_t first_request = plan.first_request;
  for (const WrittenRows& batch : part.batches) {
    if (cancelled()) return {Code::kCancelled, "the ingest was cancelled"};
    if (first_request + batch.requests > std::numeric_limits<uint32_t>::max()) {
      return {Code::kOutOfRange, "more than 2^32 - 1 requests: split the log"};
    }
    PRERANK_ASSIGN_OR_RETURN(const uint64_t checksum, sealer.seal(batch, first_request));
    sealed.file.batches.push_back({batch.place.offset, batch.place.bytes, batch.rows, checksum});
    sealed.file.rows += batch.rows;
    first_request += batch.requests;
  }
  PRERANK_RETURN_IF_ERROR(file.sync());
  const std::string path = folder + "/" + name;
  if (std::rename(part.path.c_str(), path.c_str()) != 0) {
    return {Code::kIoError, path + ": cannot give the file its name: " + std::strerror(errno)};
  }
  return {};
}

}  // namespace prerank::ingest
