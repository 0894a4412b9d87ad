#include "fibers.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

// Saves the registers a call must keep on the stack, stores its top in *save, and goes on with the stack `load`.
extern "C" void prerank_switch_stack(void** save, void* load);
asm(R"(
.text
.type prerank_switch_stack, @function
prerank_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size prerank_switch_stack, .-prerank_switch_stack
)");

constinit thread_local prerank::emulator::Indices threadIdx = {}, blockIdx = {}, blockDim = {}, gridDim = {};

namespace prerank::emulator {
namespace {

constexpr size_t kStackBytes = 128 * 1024;
constexpr size_t kSavedRegisters = 6;
constexpr unsigned int kWarp = 32;

[[noreturn]] void fail(const char* message) {
  std::fprintf(stderr, "emulated device: %s\n", message);
  std::abort();
}

bool same(const std::source_location& a, const std::source_location& b) {
  return a.line() == b.line() && a.column() == b.column() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

[[noreturn]] void fail_at(const char* message, const std::source_location& a, const std::source_location& b) {
  std::fprintf(stderr, "%s:%u and %s:%u: ", a.file_name(), a.line(), b.file_name(), b.line());
  fail(message);
}

// A rendezvous of all living threads of a warp or block.
struct Meeting {
  unsigned int living = 0, arrived = 0;
  uint64_t round = 0;
  std::source_location site = {};                          // where the first of this round has come to
  std::array<std::array<uint64_t, kWarp>, 2> values = {};  // warps only: of this round and the last
};

struct Fiber {
  void* stack = nullptr;  // lowest address
  void* top = nullptr;    // saved stack pointer
  unsigned int thread = 0;           // number in the block
  const Meeting* waiting = nullptr;  // what it is parked at
  uint64_t round = 0;
};

void fiber_main();

class Block {
 public:
  Block() = default;
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  // At the end of its thread, when no fiber runs.
  ~Block() {
    for (const auto& fiber : fibers_) munmap(fiber->stack, kStackBytes);
  }

  void run(const Indices& index, const Indices& size, const Indices& grid, bool reverse,
           const std::function<void()>& body) {
    body_ = &body;
    reverse_ = reverse;
    threads_ = size.x * size.y * size.z;
    if (threads_ == 0 || threads_ > 1024) fail("a block has 1 to 1024 threads");
    blockIdx = index;
    blockDim = size;
    gridDim = grid;
    next_ = 0;
    ended_ = 0;
    whole_ = Meeting{.living = threads_};
    warps_.assign((threads_ + kWarp - 1) / kWarp, Meeting());
    for (unsigned int w = 0; w < warps_.size(); ++w) warps_[w].living = std::min(kWarp, threads_ - w * kWarp);
    while (ended_ < threads_) step();
  }

  // The fiber that runs takes threads until none is left.
  void take_threads() {
    Fiber& self = *running_;
    while (next_ < threads_) {
      const unsigned int number = reverse_ ? threads_ - 1 - next_ : next_;
      ++next_;
      self.thread = number;
      place(number);
      (*body_)();
      ++ended_;
      leave(whole_);
      if (warps_[number / kWarp].arrived > 0) fail("a thread ends while others of its warp wait in a collective");
      leave(warps_[number / kWarp]);
    }
  }

  void park_at_block(const std::source_location& site) {
    if (whole_.arrived == 0) whole_.site = site;
    if (!same(whole_.site, site)) fail_at("threads of a block are at different barriers", whole_.site, site);
    meet(whole_);
  }

  const uint64_t* meet_warp(unsigned int mask, uint64_t value, const std::source_location& site) {
    Meeting& warp = warps_[running_->thread / kWarp];
    if (mask != 0xffffffffu) fail("a collective of a part of a warp");
    if (warp.living != kWarp) fail("a collective in a warp that is not whole, or of which threads have ended");
    if (warp.arrived == 0) warp.site = site;
    if (!same(warp.site, site)) fail_at("threads of a warp are in different collectives", warp.site, site);
    std::array<uint64_t, kWarp>& slots = warp.values[warp.round & 1];
    slots[running_->thread % kWarp] = value;
    meet(warp);
    return slots.data();
  }

  Fiber* running() { return running_; }

  void back_to_scheduler() {
    Fiber& self = *running_;
    prerank_switch_stack(&self.top, scheduler_);
  }

  // A fiber without a thread, to be used again.
  void retire() {
    idle_.push_back(running_);
    back_to_scheduler();
  }

 private:
  void step() {
    for (size_t i = 0; i < parked_.size(); ++i) {
      Fiber* const fiber = parked_[i];
      if (fiber->waiting->round == fiber->round) continue;
      parked_.erase(parked_.begin() + static_cast<std::ptrdiff_t>(i));
      resume(fiber);
      return;
    }
    if (next_ == threads_) fail("threads of a block wait for each other at different barriers");
    resume(idle_fiber());
  }

  void resume(Fiber* fiber) {
    running_ = fiber;
    if (fiber->waiting != nullptr) place(fiber->thread);
    prerank_switch_stack(&scheduler_, fiber->top);
    running_ = nullptr;
  }

  static void place(unsigned int number) {
    threadIdx = {number % blockDim.x, number / blockDim.x % blockDim.y, number / (blockDim.x * blockDim.y)};
  }

  void meet(Meeting& meeting) {
    if (++meeting.arrived == meeting.living) {
      open(meeting);
      return;
    }
    Fiber& self = *running_;
    self.waiting = &meeting;
    self.round = meeting.round;
    parked_.push_back(&self);
    back_to_scheduler();
  }

  static void open(Meeting& meeting) {
    meeting.arrived = 0;
    ++meeting.round;
  }

  static void leave(Meeting& meeting) {
    --meeting.living;
    if (meeting.living > 0 && meeting.arrived == meeting.living) open(meeting);
  }

  Fiber* idle_fiber() {
    if (!idle_.empty()) {
      Fiber* const fiber = idle_.back();
      idle_.pop_back();
      return fiber;
    }
    auto fiber = std::make_unique<Fiber>();
    fiber->stack = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fiber->stack == MAP_FAILED) fail("no memory for a stack");
    // As prerank_switch_stack leaves it: saved registers, then where to return to. At the entry of a function the stack
    // pointer is 8 above a multiple of 16.
    auto** top = reinterpret_cast<void**>(static_cast<char*>(fiber->stack) + kStackBytes) - 2;
    *top = reinterpret_cast<void*>(&fiber_main);
    top -= kSavedRegisters;
    for (size_t i = 0; i < kSavedRegisters; ++i) top[i] = nullptr;
    fiber->top = top;
    return fibers_.emplace_back(std::move(fiber)).get();
  }

  const std::function<void()>* body_ = nullptr;
  bool reverse_ = false;
  unsigned int threads_ = 0, next_ = 0, ended_ = 0;
  Meeting whole_;
  std::vector<Meeting> warps_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;
  std::deque<Fiber*> parked_;
  Fiber* running_ = nullptr;
  void* scheduler_ = nullptr;
};

Block& this_block() {
  thread_local Block block;
  return block;
}

void fiber_main() {
  for (;;) {
    this_block().take_threads();
    this_block().retire();
  }
}

}  // namespace

int lane() { return static_cast<int>(this_block().running()->thread % kWarp); }
void block_barrier(const std::source_location& site) { this_block().park_at_block(site); }
const uint64_t* warp_exchange(unsigned int mask, uint64_t value, const std::source_location& site) {
  return this_block().meet_warp(mask, value, site);
}

void run_block(const Indices& block_index, const Indices& block, const Indices& grid, bool reverse,
               const std::function<void()>& body) {
  this_block().run(block_index, block, grid, reverse, body);
}

}  // namespace prerank::emulator
