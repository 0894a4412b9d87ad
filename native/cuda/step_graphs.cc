#include "cuda/step_graphs.h"

#include <algorithm>
#include <utility>

namespace prerank::cuda {

void StepGraphs::drop_others(uint64_t generation) {
  if (std::exchange(generation_, generation) == generation) return;
  for (Captured& captured : captured_) captured.graph = GraphExec();
}

bool StepGraphs::take_up(const BatchSize& size) {
  const auto found = std::ranges::find(captured_, size, &Captured::size);
  if (found == captured_.end()) return false;
  std::rotate(found, found + 1, captured_.end());
  return true;
}

void StepGraphs::remember(const BatchSize& size) {
  if (captured_.size() == kKept) captured_.erase(captured_.begin());
  captured_.push_back({size, {}});
}

Status StepGraphs::keep(cudaStream_t stream, const Status& enqueued) {
  cudaGraph_t recorded = nullptr;
  const Status ended = status_of(cudaStreamEndCapture(stream, &recorded), "cudaStreamEndCapture");
  const Owned<cudaGraph_t, cudaGraphDestroy> graph(recorded);
  PRERANK_RETURN_IF_ERROR(enqueued);
  PRERANK_RETURN_IF_ERROR(ended);
  cudaGraphExec_t executable = nullptr;
  PRERANK_CUDA(cudaGraphInstantiate(&executable, graph.get(), 0));
  last().graph = GraphExec(executable);
  return {};
}

}  // namespace prerank::cuda
