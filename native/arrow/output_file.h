// A new file that is written from beginning to end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "prerank/status.h"

namespace prerank::arrow {

// Errors are kIoError with the path and the system's words. A full disk (ENOSPC, EDQUOT) and a file-size limit (EFBIG)
// are errors as any other: SIGXFSZ, which the latter raises, is held back while writing. After an error the file is
// only good for being deleted, and every further call gives the same error.
class OutputFile {
 public:
  // Fails when the file exists.
  static Result<OutputFile> create(const std::string& path);

  OutputFile(OutputFile&& other) noexcept
      : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_), failure_(other.failure_) {}
  OutputFile& operator=(OutputFile&&) = delete;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  // Appends the pieces one after the other.
  Status append(std::span<const std::span<const std::byte>> pieces);
  // Closes the file, without syncing it.
  Status close();

  uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }

 private:
  OutputFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  Status fail(const char* what, int error);

  std::string path_;
  int fd_;
  uint64_t size_ = 0;
  Status failure_;
};

}  // namespace prerank::arrow
