#include "io/fault_guard.h"

#include <dlfcn.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <utility>

namespace prerank {
namespace {

// Linux allows a process about this many mappings, so a fixed table, which a signal handler can walk, is enough.
constexpr size_t kSlots = 65536;

struct Slot {
  std::atomic<uintptr_t> begin{0};
  std::atomic<size_t> length{0};  // 0: free
  std::atomic<bool> faulted{false};
  int fd = 0;
  const std::string* path = nullptr;

  bool contains(uintptr_t address) const {
    const size_t size = length.load(std::memory_order_acquire);
    const uintptr_t start = begin.load(std::memory_order_relaxed);
    return size != 0 && address >= start && address - start < size;
  }
};

// One per process, as signal handlers are. All zeros at first, so that untouched slots cost no memory, and never
// destroyed, since a handler may run until the process ends.
struct Registry {
  std::mutex mutex;             // guards taking and freeing slots
  std::atomic<size_t> used{0};  // slots at and above were never taken
  std::array<Slot, kSlots> slots{};
  struct sigaction previous{};
  uintptr_t page = 0;
  bool installed = false;
};
constinit Registry all;

size_t find_slot(uintptr_t address) {
  const size_t used = all.used.load(std::memory_order_acquire);
  for (size_t i = 0; i < used; ++i) {
    if (all.slots[i].contains(address)) return i;
  }
  return kSlots;
}

void pass_on(const struct sigaction& previous, int signal, siginfo_t* info, void* context) {
  if ((previous.sa_flags & SA_SIGINFO) != 0 && previous.sa_sigaction != nullptr) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else {
    struct sigaction fallback = {};
    fallback.sa_handler = SIG_DFL;
    sigaction(signal, &fallback, nullptr);
    raise(signal);
  }
}

void on_bus_error(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  const size_t index = info->si_code == BUS_ADRERR ? find_slot(address) : kSlots;
  if (index < kSlots) {
    Slot& slot = all.slots[index];
    slot.faulted.store(true, std::memory_order_release);
    const uintptr_t page = address & ~(all.page - 1);
    const uintptr_t end = (slot.begin.load() + slot.length.load() + all.page - 1) & ~(all.page - 1);
    void* const zeros = mmap(reinterpret_cast<void*>(page), end - page, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    if (zeros != MAP_FAILED) {
      errno = saved_errno;
      return;
    }
  }
  pass_on(all.previous, signal, info, context);
  errno = saved_errno;
}

// A handler must not vanish with the library when the worker thread that loaded it ends.
void keep_library_loaded() {
  Dl_info library = {};
  if (dladdr(reinterpret_cast<const void*>(&on_bus_error), &library) != 0 && library.dli_fname != nullptr) {
    dlopen(library.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  }
}

Status install() {
  if (all.installed) return {};
  all.page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  keep_library_loaded();
  struct sigaction action = {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGBUS, &action, &all.previous) != 0) {
    return {Code::kInternal, "cannot install the SIGBUS handler that guards mapped files"};
  }
  all.installed = true;
  return {};
}

}  // namespace

FaultGuard::FaultGuard(size_t slot, std::unique_ptr<const std::string> path) : slot_(slot), path_(std::move(path)) {}

FaultGuard::FaultGuard(FaultGuard&& other) noexcept
    : slot_(std::exchange(other.slot_, kNone)), path_(std::move(other.path_)) {}

FaultGuard& FaultGuard::operator=(FaultGuard&& other) noexcept {
  if (this != &other) {
    release();
    slot_ = std::exchange(other.slot_, kNone);
    path_ = std::move(other.path_);
  }
  return *this;
}

FaultGuard::~FaultGuard() { release(); }

void FaultGuard::release() {
  if (slot_ == kNone) return;
  const std::lock_guard lock(all.mutex);
  all.slots[slot_].length.store(0, std::memory_order_release);
  slot_ = kNone;
}

Result<FaultGuard> FaultGuard::protect(const void* begin, size_t length, int fd, const std::string& path) {
  const std::lock_guard lock(all.mutex);
  PRERANK_RETURN_IF_ERROR(install());
  const size_t used = all.used.load(std::memory_order_relaxed);
  size_t index = 0;
  while (index < used && all.slots[index].length.load(std::memory_order_relaxed) != 0) ++index;
  if (index == kSlots) return Status(Code::kUnsupported, "more than 65536 files are mapped at once");
  Slot& slot = all.slots[index];
  slot.fd = fd;
  auto name = std::make_unique<const std::string>(path);
  slot.path = name.get();
  slot.faulted.store(false, std::memory_order_relaxed);
  slot.begin.store(reinterpret_cast<uintptr_t>(begin), std::memory_order_relaxed);
  slot.length.store(length, std::memory_order_release);
  if (index == used) all.used.store(used + 1, std::memory_order_release);
  return FaultGuard(index, std::move(name));
}

void SourceWatch::add(const void* address) {
  const size_t slot = find_slot(reinterpret_cast<uintptr_t>(address));
  if (slot < kSlots && std::find(slots_.begin(), slots_.end(), slot) == slots_.end()) slots_.push_back(slot);
}

Status SourceWatch::check() const {
  for (const size_t index : slots_) {
    const Slot& slot = all.slots[index];
    struct stat now = {};
    const bool shorter = fstat(slot.fd, &now) != 0 || static_cast<size_t>(now.st_size) < slot.length.load();
    if (shorter || slot.faulted.load(std::memory_order_acquire)) {
      return {Code::kDatasetChanged,
              *slot.path + ": the file became shorter while it was being read; restore it and start again"};
    }
  }
  return {};
}

}  // namespace prerank
