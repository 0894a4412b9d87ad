#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "io/fault_guard.h"
#include "prerank/dataset.h"

namespace prerank {
namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

class Mapping {
 public:
  Mapping(void* begin, size_t length) : begin_(begin), length_(length) {}
  Mapping(Mapping&& other) noexcept : begin_(std::exchange(other.begin_, nullptr)), length_(other.length_) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() {
    if (begin_ != nullptr) munmap(begin_, length_);
  }
  const void* begin() const { return begin_; }
  size_t length() const { return length_; }

 private:
  void* begin_;
  size_t length_;
};

class MappedFileImpl final : public MappedFile {
 public:
  MappedFileImpl(std::string path, FileDescriptor file, Mapping mapping, FaultGuard guard)
      : path_(std::move(path)), file_(std::move(file)), mapping_(std::move(mapping)), guard_(std::move(guard)) {}

  std::span<const std::byte> bytes() const override {
    return {static_cast<const std::byte*>(mapping_.begin()), mapping_.length()};
  }
  const std::string& path() const override { return path_; }

 private:
  std::string path_;
  FileDescriptor file_;
  Mapping mapping_;
  FaultGuard guard_;
};

Status system_error(const std::string& what, const std::string& path, int error) {
  const Code code = error == ENOENT ? Code::kNotFound : error == ENOMEM ? Code::kOutOfMemory : Code::kIoError;
  return {code, path + ": " + what + ": " + std::strerror(error)};
}

}  // namespace

Result<std::shared_ptr<MappedFile>> MappedFile::open(const std::string& path) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return system_error("cannot open", path, errno);
  struct stat info = {};
  if (fstat(file.get(), &info) != 0) return system_error("cannot read its size", path, errno);
  if (!S_ISREG(info.st_mode)) return Status(Code::kInvalidArgument, path + ": not a regular file");
  const auto length = static_cast<size_t>(info.st_size);
  if (length == 0) {
    return std::shared_ptr<MappedFile>(
        std::make_shared<MappedFileImpl>(path, std::move(file), Mapping(nullptr, 0), FaultGuard()));
  }
  // Private and writable: a stray write through JavaScript's ArrayBuffer neither faults nor reaches the file.
  void* const begin = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file.get(), 0);
  if (begin == MAP_FAILED) return system_error("cannot map", path, errno);
  Mapping mapping(begin, length);
  PRERANK_ASSIGN_OR_RETURN(FaultGuard guard, FaultGuard::protect(begin, length, file.get(), path));
  return std::shared_ptr<MappedFile>(
      std::make_shared<MappedFileImpl>(path, std::move(file), std::move(mapping), std::move(guard)));
}

}  // namespace prerank
