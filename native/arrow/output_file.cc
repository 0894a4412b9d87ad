#include "arrow/output_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace prerank::arrow {
namespace {

// Writing beyond RLIMIT_FSIZE sends SIGXFSZ to the writing thread, which would end the process (Node ignores it, other
// programs do not). While this object lives the signal stays pending, and is taken back before it can be delivered.
class FileSizeSignalHold {
 public:
  FileSizeSignalHold() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGXFSZ);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGXFSZ) == 1;
    pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  }
  FileSizeSignalHold(const FileSizeSignalHold&) = delete;
  FileSizeSignalHold& operator=(const FileSizeSignalHold&) = delete;
  ~FileSizeSignalHold() {
    const timespec at_once = {};
    while (!was_pending_ && sigtimedwait(&signals_, nullptr, &at_once) < 0 && errno == EINTR) continue;
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t signals_;
  sigset_t before_;
  bool was_pending_ = false;
};

// At most IOV_MAX of POSIX systems.
constexpr size_t kPiecesPerCall = 64;

}  // namespace

Result<OutputFile> OutputFile::create(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return Status(Code::kIoError, path + ": cannot create the file: " + std::strerror(errno));
  return OutputFile(path, fd);
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status OutputFile::fail(const char* what, int error) {
  failure_ = {Code::kIoError, path_ + ": " + what + ": " + std::strerror(error)};
  return failure_;
}

Status OutputFile::append(std::span<const std::span<const std::byte>> pieces) {
  PRERANK_RETURN_IF_ERROR(failure_);
  if (fd_ < 0) return fail("cannot write", EBADF);
  const FileSizeSignalHold hold;
  size_t piece = 0;
  size_t done = 0;  // bytes of the current piece that are written
  while (piece < pieces.size()) {
    std::array<iovec, kPiecesPerCall> vectors;
    size_t count = 0;
    for (size_t i = piece; i < pieces.size() && count < vectors.size(); ++i) {
      const auto rest = i == piece ? pieces[i].subspan(done) : pieces[i];
      if (!rest.empty()) vectors[count++] = {const_cast<std::byte*>(rest.data()), rest.size()};
    }
    if (count == 0) break;
    const ssize_t written = writev(fd_, vectors.data(), static_cast<int>(count));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail("cannot write", written < 0 ? errno : EIO);
    size_ += static_cast<uint64_t>(written);
    done += static_cast<size_t>(written);
    while (piece < pieces.size() && done >= pieces[piece].size()) done -= pieces[piece++].size();
  }
  return {};
}

Status OutputFile::close() {
  PRERANK_RETURN_IF_ERROR(failure_);
  // Linux closes the descriptor whatever close() returns.
  if (::close(std::exchange(fd_, -1)) != 0 && errno != EINTR) return fail("cannot close the file", errno);
  return {};
}

}  // namespace prerank::arrow
