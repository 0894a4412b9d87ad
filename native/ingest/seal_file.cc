#include "ingest/seal_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <utility>

#include "base/xxhash.h"

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

}  // namespace

Status seal_file(const WrittenPart& part, const SealPlan& plan, const std::string& folder, const std::string& name,
                 const std::function<bool()>& cancelled, SealedFile& sealed) {
  const OpenFile file(part.path);
  if (!file.is_open()) return file.error("cannot open it again");
  const std::vector<OutputColumn>& columns = *plan.columns;
  sealed.file.name = name;
  sealed.file.bytes = part.bytes;
  sealed.zeros.resize(columns.size());
  std::vector<std::byte> bytes;
  uint64_t first_request = plan.first_request;
  for (const WrittenRows& batch : part.batches) {
    if (cancelled()) return {Code::kCancelled, "the ingest was cancelled"};
    if (first_request + batch.requests > std::numeric_limits<uint32_t>::max()) {
      return {Code::kOutOfRange, "more than 2^32 - 1 requests: split the log"};
    }
    if (bytes.size() < batch.place.bytes) bytes.resize(batch.place.bytes);
    PRERANK_RETURN_IF_ERROR(file.read(bytes.data(), batch.place.bytes, batch.place.offset));
    for (size_t i = 0; i < columns.size(); ++i) {
      const Remap::Kind kind = columns[i].remap.kind;
      if (kind == Remap::Kind::kNone || (kind == Remap::Kind::kRequest && first_request == 0)) continue;
      const uint64_t begin = batch.place.values_offset[i];
      std::byte* const data = bytes.data() + (begin - batch.place.offset);
      const std::span values(reinterpret_cast<uint32_t*>(data), batch.value_counts[i]);
      if (kind == Remap::Kind::kRequest) {
        for (uint32_t& value : values) value += static_cast<uint32_t>(first_request);
      } else if (!apply_map(values, plan.maps[i], sealed.zeros[i])) {
        return {Code::kDatasetChanged, part.path + ": changed while it was written"};
      }
      PRERANK_RETURN_IF_ERROR(file.write(data, values.size_bytes(), begin));
    }
    sealed.file.batches.push_back({batch.place.offset, batch.place.bytes, batch.rows,
                                   xxh64(bytes.data(), batch.place.bytes)});
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
