// The state of the emulated device, shared by its memory, its streams and what it says of itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "cuda_runtime.h"
#include "emulator.h"

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

// Whoever calls the runtime holds the mutex.
struct Device {
  std::recursive_mutex mutex;
  std::map<char*, size_t> memory, pinned;
  size_t used = 0;
  uint64_t records = 0;
  uint64_t launches = 0;
  GraphCounts graphs;
  double spent = 0;  // milliseconds that nothing took
  cudaError_t last = cudaSuccess;
};

Device& device();
// Bytes that the device has.
size_t memory_size();

// Remembers an error as the last one, and returns it.
cudaError_t done(cudaError_t error);
// Captures are those of one thread (cudaStreamCaptureModeThreadLocal): what this one records.
extern constinit thread_local Graph* recording;
// Calls that may wait for the device must not be made while the thread records.
cudaError_t check_not_recording();

// Runs what the stream holds, up to the record of this number of `until`.
void drain(Stream* stream, const Event* until = nullptr, uint64_t number = 0);

}  // namespace prerank::emulator
