// Streams, events, graphs and launches of the emulated device.
#include <chrono>
#include <mutex>
#include <utility>

#include "cuda_runtime.h"
#include "device.h"
#include "fibers.h"

namespace prerank::emulator {

constinit thread_local Graph* recording = nullptr;

cudaError_t check_not_recording() {
  if (recording == nullptr) return cudaSuccess;
  recording->invalid = true;
  return done(cudaErrorStreamCaptureUnsupported);
}

namespace {

void reach(Event* event, uint64_t number) {
  if (event->reached < number && event->stream != nullptr) drain(event->stream, event, number);
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

GraphCounts graph_counts() {
  const std::lock_guard lock(device().mutex);
  return device().graphs;
}

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
  const std::lock_guard lock(device().mutex);
  *executable = new Graph(*graph);
  ++device().graphs.captured;
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const std::lock_guard lock(device().mutex);
  if (stream->capture != nullptr) return done(cudaErrorStreamCaptureUnsupported);  // prerank nests no graphs
  for (const Work& work : executable->works) stream->commands.push_back({work});
  ++device().graphs.launched;
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
