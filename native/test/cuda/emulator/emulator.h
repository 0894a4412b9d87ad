// Streams, events, graphs and thread blocks of the emulated device. Everything runs on the host thread that waits for it,
// as late as the recorded order allows, so that a missing event shows; every other launch takes blocks and threads in
// descending order, so that a missing barrier shows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>

namespace prerank::emulator {

struct Indices {
  unsigned int x, y, z;
};

class Stream;
class Event;
class Graph;

int lane();

// __syncthreads: returns when every thread of the block that has not ended has come here. Ends the process when they come
// from different places of the program.
void block_barrier(const std::source_location& site);
// Returns what each lane of the warp gave, once all of its threads have come. Valid until the thread's next collective. Ends
// the process when they come from different places of the program, when one of them ends instead, or when the mask does not
// name all 32 lanes of a whole warp.
const uint64_t* warp_exchange(unsigned int mask, uint64_t value, const std::source_location& site);

// Queues a kernel: `body` is one thread of it. The result is a cudaError_t.
int launch(Indices grid, Indices block, Stream* stream, std::function<void()> body);
// Queues host code that stands for work of the device.
int enqueue(Stream* stream, std::function<void()> work);
// Of such work: the device took so much longer, as events see it.
void spend(double milliseconds);

// Since the process began.
struct GraphCounts {
  uint64_t captured = 0, launched = 0;
};
GraphCounts graph_counts();

}  // namespace prerank::emulator

// Of the device thread that runs on this host thread.
extern constinit thread_local prerank::emulator::Indices threadIdx, blockIdx, blockDim, gridDim;
