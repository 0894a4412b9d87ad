// The emulated runtime: memory, streams, events, graphs, and the device that PRERANK_EMULATED_DEVICE describes:
//   none            no device          old-driver      a driver older than the runtime
//   memory=BYTES    so much memory     (unset)         16 GiB
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "cuda_runtime.h"
#include "fibers.h"

namespace prerank::emulator {

class Event {
 public:
  bool recorded = false;   // in some stream, maybe not yet reached
  uint64_t target = 0;     // number of that record
  uint64_t reached = 0;    // of the last record that the stream has passed
  Stream* stream = nullptr;
  bool timed = true;
  bool captured = false;  // its record is in a graph: only that graph's streams can wait for it
  double milliseconds = 0;
};

using Work = std::function<void()>;

struct Command {
  Work work;                // or
  Event* record = nullptr;  // or
  Event* wait = nullptr;
  uint64_t number = 0;
};

class Graph {
 public:
  std::vector<Work> works;
  std::vector<Stream*> streams;  // whose work it records, while it does
  bool invalid = false;          // something that no graph can hold was asked for meanwhile
};

class Stream {
 public:
  std::deque<Command> commands;
  Graph* capture = nullptr;  // being recorded
  bool origin = false;       // where the capture began
};

namespace {

// Captures are those of one thread (cudaStreamCaptureModeThreadLocal): what this one records.
thread_local Graph* recording = nullptr;

struct Device {
  std::recursive_mutex mutex;
  std::map<char*, size_t> memory, pinned;
  size_t used = 0;
  uint64_t records = 0;
  uint64_t launches = 0;
  double spent = 0;  // milliseconds that nothing took
  cudaError_t last = cudaSuccess;
};

Device& device() {
  static Device instance;
  return instance;
}

std::string setting() {
  const char* const value = std::getenv("PRERANK_EMULATED_DEVICE");
  return value == nullptr ? "" : value;
}

size_t memory_size() {
  const std::string value = setting();
  return value.starts_with("memory=") ? std::strtoull(value.c_str() + 7, nullptr, 10) : size_t{16} << 30;
}

cudaError_t done(cudaError_t error) {
  if (error != cudaSuccess) device().last = error;
  return error;
}

// Calls that may wait for the device must not be made while the thread records.
cudaError_t check_not_recording() {
  if (recording == nullptr) return cudaSuccess;
  recording->invalid = true;
  return done(cudaErrorStreamCaptureUnsupported);
}

[[noreturn]] void fail(const char* message) {
  std::fprintf(stderr, "emulated device: %s\n", message);
  std::abort();
}

bool contains(const std::map<char*, size_t>& ranges, const void* pointer, size_t bytes) {
  auto* const at = const_cast<char*>(static_cast<const char*>(pointer));
  auto next = ranges.upper_bound(at);
  if (next == ranges.begin()) return false;
  --next;
  return at + bytes <= next->first + next->second;
}

void drain(Stream* stream, const Event* until = nullptr, uint64_t number = 0);

void reach(Event* event, uint64_t number) {
  if (event->reached < number && event->stream != nullptr) drain(event->stream, event, number);
}

// Runs what the stream holds, up to a record of `until`.
void drain(Stream* stream, const Event* until, uint64_t number) {
  while (!stream->commands.empty()) {
    if (until != nullptr && until->reached >= number) return;
    const Command command = std::move(stream->commands.front());
    stream->commands.pop_front();
    if (command.record != nullptr) {
      command.record->reached = command.number;
      command.record->milliseconds =
          device().spent +
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
    } else if (command.wait != nullptr) {
      reach(command.wait, command.number);
    } else {
      command.work();
    }
  }
}

void run_kernel(const Indices& grid, const Indices& block, const Work& body) {
  const bool reverse = device().launches++ % 2 == 1;
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
  for (uint64_t b = 0; b < blocks; ++b) {
    const uint64_t number = reverse ? blocks - 1 - b : b;
    run_block({static_cast<unsigned int>(number % grid.x), static_cast<unsigned int>(number / grid.x % grid.y),
               static_cast<unsigned int>(number / (uint64_t{grid.x} * grid.y))},
              block, grid, reverse, body);
  }
}

}  // namespace

int enqueue(Stream* stream, Work work) {
  const std::lock_guard lock(device().mutex);
  if (stream == nullptr) return done(cudaErrorInvalidValue);  // prerank uses explicit streams only
  if (stream->capture != nullptr) {
    stream->capture->works.push_back(std::move(work));
  } else {
    stream->commands.push_back({std::move(work)});
  }
  return cudaSuccess;
}

void spend(double milliseconds) { device().spent += milliseconds; }

int launch(Indices grid, Indices block, Stream* stream, Work body) {
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > 1024 || grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffffu ||
      grid.y > 65535 || grid.z > 65535) {
    return done(cudaErrorInvalidValue);
  }
  return enqueue(stream, [grid, block, body = std::move(body)] { run_kernel(grid, block, body); });
}

}  // namespace prerank::emulator

using namespace prerank::emulator;

cudaError_t cudaDriverGetVersion(int* version) {
  *version = setting() == "old-driver" ? 11040 : CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  if (setting() == "none") return done(cudaErrorNoDevice);
  if (setting() == "old-driver") return done(cudaErrorInsufficientDriver);
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int number) { return done(number == 0 ? cudaSuccess : cudaErrorInvalidDevice); }
cudaError_t cudaGetDevice(int* number) {
  *number = 0;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int number) {
  if (number != 0) return done(cudaErrorInvalidDevice);
  *properties = {"Emulated device", memory_size(), 9, 0, 4, 1 << 20};
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int number) {
  if (number != 0) return done(cudaErrorInvalidDevice);
  *value = attribute == cudaDevAttrMultiProcessorCount ? 4 : attribute == cudaDevAttrComputeCapabilityMajor ? 9 : 0;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const std::lock_guard lock(device().mutex);
  *total = memory_size();
  *free = *total - std::min(*total, device().used);
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return std::exchange(device().last, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return device().last; }
const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInsufficientDriver: return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice: return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice: return "cudaErrorInvalidDevice";
    case cudaErrorHostMemoryAlreadyRegistered: return "cudaErrorHostMemoryAlreadyRegistered";
    case cudaErrorInvalidResourceHandle: return "cudaErrorInvalidResourceHandle";
    case cudaErrorNotReady: return "cudaErrorNotReady";
    case cudaErrorStreamCaptureUnsupported: return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated: return "cudaErrorStreamCaptureInvalidated";
  }
  return "unknown error";
}
const char* cudaGetErrorString(cudaError_t error) { return cudaGetErrorName(error); }

// A copy or memset of nothing cannot be recorded: a graph's nodes have sizes.
static cudaError_t refuse_nothing(cudaStream_t stream) {
  if (stream == nullptr || stream->capture == nullptr) return cudaSuccess;
  stream->capture->invalid = true;
  return done(cudaErrorInvalidValue);
}

// New memory is full of NaN.
cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  const std::lock_guard lock(device().mutex);
  *pointer = nullptr;
  if (const cudaError_t refused = check_not_recording(); refused != cudaSuccess) return refused;
  if (bytes == 0) return cudaSuccess;
  if (device().used + bytes > memory_size()) return done(cudaErrorMemoryAllocation);
  void* const memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (memory == nullptr) return done(cudaErrorMemoryAllocation);
  std::memset(memory, 0xff, bytes);
  device().memory.emplace(static_cast<char*>(memory), bytes);
  device().used += bytes;
  *pointer = memory;
  return cudaSuccess;
}
cudaError_t cudaFree(void* pointer) {
  const std::lock_guard lock(device().mutex);
  if (pointer == nullptr) return cudaSuccess;
  if (const cudaError_t refused = check_not_recording(); refused != cudaSuccess) return refused;
  const auto found = device().memory.find(static_cast<char*>(pointer));
  if (found == device().memory.end()) return done(cudaErrorInvalidValue);
  device().used -= found->second;
  device().memory.erase(found);
  std::free(pointer);
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned int) {
  const std::lock_guard lock(device().mutex);
  if (const cudaError_t refused = check_not_recording(); refused != cudaSuccess) return refused;
  *pointer = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (*pointer == nullptr) return done(cudaErrorMemoryAllocation);
  device().pinned.emplace(static_cast<char*>(*pointer), bytes);
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* pointer) {
  const std::lock_guard lock(device().mutex);
  if (pointer == nullptr) return cudaSuccess;
  if (const cudaError_t refused = check_not_recording(); refused != cudaSuccess) return refused;
  if (device().pinned.erase(static_cast<char*>(pointer)) == 0) return done(cudaErrorInvalidValue);
  std::free(pointer);
  return cudaSuccess;
}
cudaError_t cudaHostRegister(void* pointer, size_t bytes, unsigned int) {
  const std::lock_guard lock(device().mutex);
  const bool added = device().pinned.emplace(static_cast<char*>(pointer), bytes).second;
  return done(added ? cudaSuccess : cudaErrorHostMemoryAlreadyRegistered);
}
cudaError_t cudaHostUnregister(void* pointer) {
  const std::lock_guard lock(device().mutex);
  return done(device().pinned.erase(static_cast<char*>(pointer)) == 1 ? cudaSuccess : cudaErrorInvalidValue);
}

// Pageable host memory is read at the call, pinned memory when the device comes to it: it must be there still.
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const std::lock_guard lock(device().mutex);
  if (bytes == 0) return refuse_nothing(stream);
  const bool from_device = contains(device().memory, from, bytes), to_device = contains(device().memory, to, bytes);
  const bool expected_from = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  const bool expected_to = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  if (kind != cudaMemcpyDefault && (from_device != expected_from || to_device != expected_to)) {
    return done(cudaErrorInvalidValue);
  }
  const bool from_pinned = contains(device().pinned, from, bytes), to_pinned = contains(device().pinned, to, bytes);
  const bool pageable = (!from_device && !from_pinned) || (!to_device && !to_pinned);
  if (pageable && stream != nullptr && stream->capture != nullptr) {
    stream->capture->invalid = true;
    return done(cudaErrorStreamCaptureUnsupported);
  }
  if (!from_device && !from_pinned) {
    std::vector<char> copy(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
    return static_cast<cudaError_t>(
        enqueue(stream, [to, copy = std::move(copy)] { std::memcpy(to, copy.data(), copy.size()); }));
  }
  const auto result = static_cast<cudaError_t>(enqueue(stream, [=] {
    const bool reads = contains(from_device ? device().memory : device().pinned, from, bytes);
    const bool writes = pageable || contains(to_device ? device().memory : device().pinned, to, bytes);
    if (!reads || !writes) fail("a copy comes to memory that was freed after it was queued");
    std::memmove(to, from, bytes);
  }));
  if (result == cudaSuccess && pageable) drain(stream);
  return result;
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  const std::lock_guard lock(device().mutex);
  if (bytes == 0) return refuse_nothing(stream);
  if (!contains(device().memory, to, bytes)) return done(cudaErrorInvalidValue);
  return static_cast<cudaError_t>(enqueue(stream, [=] { std::memset(to, value, bytes); }));
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int) {
  *stream = new Stream();
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const std::lock_guard lock(device().mutex);
  drain(stream);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const std::lock_guard lock(device().mutex);
  if (stream->capture != nullptr) {
    stream->capture->invalid = true;
    return done(cudaErrorStreamCaptureUnsupported);
  }
  drain(stream);
  return cudaSuccess;
}
// Waiting for an event of a captured stream draws the waiting stream into the capture.
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int) {
  const std::lock_guard lock(device().mutex);
  if (!event->recorded) return cudaSuccess;
  Stream* const source = event->stream;
  if (source != nullptr && source->capture != nullptr) {
    if (stream->capture == nullptr) source->capture->streams.push_back(stream);
    stream->capture = source->capture;
    return cudaSuccess;
  }
  if (stream->capture != nullptr) {
    stream->capture->invalid = true;
    return done(cudaErrorStreamCaptureUnsupported);
  }
  stream->commands.push_back({{}, nullptr, event, event->target});
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const std::lock_guard lock(device().mutex);
  if (stream->capture != nullptr || recording != nullptr) return done(cudaErrorInvalidValue);
  recording = stream->capture = new Graph();
  stream->capture->streams.push_back(stream);
  stream->origin = true;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::lock_guard lock(device().mutex);
  *graph = nullptr;
  if (stream->capture == nullptr || !stream->origin || recording != stream->capture) return done(cudaErrorInvalidValue);
  *graph = std::exchange(recording, nullptr);
  stream->origin = false;
  for (Stream* const recorded : std::exchange((*graph)->streams, {})) recorded->capture = nullptr;
  if (!(*graph)->invalid) return cudaSuccess;
  delete std::exchange(*graph, nullptr);
  return done(cudaErrorStreamCaptureInvalidated);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int flags) {
  *event = new Event{.timed = flags != cudaEventDisableTiming};
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const std::lock_guard lock(device().mutex);
  if (event->recorded) reach(event, event->target);
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const std::lock_guard lock(device().mutex);
  event->recorded = true;
  event->stream = stream;
  event->captured = stream->capture != nullptr;
  if (event->captured) return cudaSuccess;
  event->target = ++device().records;
  stream->commands.push_back({{}, event, nullptr, event->target});
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const std::lock_guard lock(device().mutex);
  if (event->captured) return done(cudaErrorInvalidValue);
  if (event->recorded) reach(event, event->target);
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  const std::lock_guard lock(device().mutex);
  for (const Event* const event : {start, end}) {
    if (!event->timed || !event->recorded || event->captured) return done(cudaErrorInvalidResourceHandle);
    if (event->reached < event->target) return done(cudaErrorNotReady);
  }
  *milliseconds = static_cast<float>(end->milliseconds - start->milliseconds);
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = new Graph(*graph);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const std::lock_guard lock(device().mutex);
  if (stream->capture != nullptr) return done(cudaErrorStreamCaptureUnsupported);  // prerank nests no graphs
  for (const Work& work : executable->works) stream->commands.push_back({work});
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
